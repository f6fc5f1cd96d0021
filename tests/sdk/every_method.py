"""A partner's program that uses every method once; test_sdk_against_the_stack.py runs it with the installed wheel."""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import voketag_sdk
from voketag_sdk import (
    BatchPriority,
    BatchState,
    Client,
    JobState,
    Product,
    Unit,
    UnitState,
    UnitStateReason,
    WebhookDeliveryState,
    errors,
)

URL = os.environ["VOKETAG_URL"]


def products(voketag: Client) -> Product:
    made = voketag.products.create(sku="SDK-1", name="Borealis", gtin="4006381333931", metadata={"line": "7"})
    assert voketag.products.get(made.id) == made
    assert made.id in [product.id for product in voketag.products.list(page_size=1)]
    changed = voketag.products.update(made.id, name="Borealis II", metadata={})
    assert (changed.name, changed.metadata, changed.gtin) == ("Borealis II", {}, "4006381333931")
    return changed


def batches(voketag: Client, product: Product) -> str:
    batch = voketag.batches.create(
        product.id, quantity=300, manufactured_at=date(2026, 1, 31), expires_at=date(2027, 1, 31)
    )
    assert (batch.state, batch.expires_at) == (BatchState.PENDING, date(2027, 1, 31))
    batch = voketag.batches.wait(batch.id, timeout=60)
    assert voketag.batches.get(batch.id) == batch
    listed = voketag.batches.list(product_id=product.id, state=BatchState.COMPLETED)
    assert batch.id in [each.id for each in listed]
    return batch.id


def settings(voketag: Client) -> None:
    changed = voketag.settings.update(warning_above=35, languages=["en"])
    assert voketag.settings.get() == changed
    assert [each.version for each in voketag.settings.versions(page_size=1)] == [changed.version, changed.version - 1]


def units(voketag: Client, batch_id: str) -> Unit:
    listed = voketag.units.list(batch_id, page_size=100).all()
    rows = voketag.batches.rows(batch_id).all()
    assert [row.index for row in rows] == list(range(300))
    assert [(unit.id, unit.serial, unit.code, unit.url, unit.state) for unit in listed] == [
        (row.unit_id, row.serial, row.code, row.url, row.state) for row in rows
    ]
    assert b"<svg" in voketag.batches.qr(batch_id, 0)
    assert voketag.batches.qr(batch_id, 0, format="png").startswith(b"\x89PNG")
    recalled = voketag.units.set_state(listed[7].id, UnitState.RECALLED, reason=UnitStateReason.QUALITY)
    assert (recalled.state, recalled.state_reason) == (UnitState.RECALLED, UnitStateReason.QUALITY)
    return recalled


def refusals(voketag: Client, batch_id: str) -> None:
    wrong_calls: list[tuple[type[errors.VokeTagError], Callable[[], object]]] = [
        (errors.BatchNotFound, lambda: voketag.batches.get("0190a7c0-0000-7000-8000-000000000000")),
        (errors.InvalidArgument, lambda: voketag.batches.get("no uuid")),
        (errors.WrongBatchState, lambda: voketag.batches.cancel(batch_id)),
        (errors.WrongBatchState, lambda: voketag.batches.pause(batch_id)),
        (errors.WrongBatchState, lambda: voketag.batches.retry(batch_id)),
        (errors.WrongBatchState, lambda: voketag.batches.voided_proof(batch_id, 0)),
        (errors.MalformedCode, lambda: voketag.scan("short")),
        (errors.UnknownCode, lambda: voketag.scan("A" * 20)),
        (errors.UnknownCode, lambda: voketag.receipt("A" * 20)),
    ]
    for kind, call in wrong_calls:
        error = refused(kind, call)
        assert error.reason
        assert error.request_id


def api_keys(voketag: Client, batch_id: str) -> None:
    new = voketag.api_keys.create(name="line 1", scopes=["batches:read"])
    assert new.api_key.id in [key.id for key in voketag.api_keys.list()]
    with Client(URL, api_key=new.secret) as line:
        assert line.batches.get(batch_id).id == batch_id
        denied = refused(errors.PermissionDenied, lambda: line.products.list().all())
        assert denied.metadata["scope"] == "products:read"
        successor = voketag.api_keys.rotate(new.api_key.id).api_key
        assert voketag.api_keys.revoke(successor.id).revoked_at is not None
        time.sleep(1)  # the platform remembers a key for half a second
        refused(errors.Unauthenticated, lambda: line.batches.get(batch_id))


def webhooks(voketag: Client) -> None:
    came: queue.Queue[tuple[bytes, dict[str, str]]] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.put((self.rfile.read(int(self.headers["content-length"])), dict(self.headers.items())))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        new = voketag.webhooks.create(f"http://127.0.0.1:{server.server_port}/hook", events=["batch.failed"])
        endpoint = new.endpoint
        sent = voketag.webhooks.test(endpoint.id)
        body, headers = came.get(timeout=90)
        event = voketag_sdk.webhooks.verify(body, headers, new.secret)
        assert (event.id, event.type, event.data) == (sent.event_id, "webhook.test", {"endpoint_id": endpoint.id})
        refused(errors.WrongWebhookSignature, lambda: voketag_sdk.webhooks.verify(body + b" ", headers, new.secret))
        rotated = voketag.webhooks.rotate_secret(endpoint.id, overlap_seconds=60)
        assert voketag.webhooks.redeliver(endpoint.id, delivery_id=sent.id) == 1
        body, headers = came.get(timeout=90)
        for secret in (new.secret, rotated.secret):
            assert voketag_sdk.webhooks.verify(body, headers, secret).id == event.id
        until = time.monotonic() + 10
        while (found := voketag.webhooks.delivery(endpoint.id, sent.id)).next_attempt_at is not None:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert (found.state, [each.status for each in found.log]) == (WebhookDeliveryState.DELIVERED, [204, 204])
        server.shutdown()
    assert [each.id for each in voketag.webhooks.deliveries(endpoint.id, state=found.state)] == [sent.id]
    changed = voketag.webhooks.update(endpoint.id, description="ERP", disabled=True)
    assert voketag.webhooks.get(endpoint.id) == changed
    assert endpoint.id in [each.id for each in voketag.webhooks.list()]
    refused(errors.WebhookDisabled, lambda: voketag.webhooks.test(endpoint.id))
    refused(errors.WebhookTargetRefused, lambda: voketag.webhooks.create("http://name.invalid/"))
    voketag.webhooks.delete(endpoint.id)
    refused(errors.WebhookNotFound, lambda: voketag.webhooks.get(endpoint.id))


def dead_letters(voketag: Client) -> None:
    assert voketag.dead_letters.list(include_resolved=True).all() == []
    assert voketag.dead_letters.replay_all("webhook.delivery").count == 0
    nothing = "0190a7c0-0000-7000-8000-000000000000"
    for call in (
        lambda: voketag.dead_letters.get(nothing),
        lambda: voketag.dead_letters.replay(nothing),
        lambda: voketag.dead_letters.discard(nothing, reason="sold out"),
    ):
        refused(errors.DeadLetterNotFound, call)


def void(voketag: Client, product: Product) -> None:
    batch = voketag.batches.create(product.id, quantity=400_000, priority=BatchPriority.HIGH)
    assert voketag.batches.pause(batch.id).paused
    assert not voketag.batches.resume(batch.id).paused
    until = time.monotonic() + 30
    while not voketag.batches.get(batch.id).issued_count:
        assert time.monotonic() < until
        time.sleep(0.02)
    batch = voketag.batches.cancel(batch.id)
    statement = voketag.batches.statement(batch.id)
    said = voketag_sdk.verify_statement(statement.jws, voketag.batches.statement_keys(), batch_id=batch.id)
    assert (said.state, said.voided, said.merkle_root) == ("CANCELLED", batch.issued_count, batch.merkle_root)
    proof = voketag.batches.voided_proof(batch.id, batch.tree_size - 1)
    voketag_sdk.verify_unit_proof(proof, said)
    refused(errors.UnknownCode, lambda: voketag.scan(proof.code))
    refused(errors.UnknownCode, lambda: voketag.receipt(proof.code))


def files(voketag: Client, product: Product) -> None:
    wrong = refused(errors.InvalidCsv, lambda: voketag.batches.import_csv(product.id, b"serial\nF-1\nF-1\n"))
    assert voketag.batches.import_report(wrong.metadata["import_id"]).total == 1
    batch = voketag.batches.import_csv(product.id, b"serial,colour\nF-1,red\nF-2,blue\n")
    batch = voketag.batches.wait(batch.id, timeout=60)
    assert voketag.units.get(serial="F-2").attributes == {"colour": "blue"}
    job = voketag.units.set_states(UnitState.SOLD, batch_id=batch.id)
    job = voketag.units.wait_for_job(job.id, timeout=30)
    assert (job.state, job.changed) == (JobState.DONE, 2)
    job = voketag.units.set_states_csv(b"serial\nF-1\nF-9\n", UnitState.SUSPENDED, reason=UnitStateReason.STOLEN)
    job = voketag.units.wait_for_job(job.id, timeout=30)
    assert (job.changed, job.missing) == (1, ("F-9",))
    assert job in voketag.units.jobs().all()


def scans(voketag: Client, unit: Unit) -> None:
    until = time.monotonic() + 30
    while not (found := voketag.scans.list(batch_id=unit.batch_id).all()):  # some seconds behind
        assert time.monotonic() < until
        time.sleep(0.1)
    assert [(scan.unit_id, scan.verdict) for scan in found] == [(unit.id, voketag_sdk.Verdict.RECALLED)]
    voketag.scans.export("scans.csv", batch_id=unit.batch_id)
    assert len(Path("scans.csv").read_bytes().splitlines()) == 2
    while voketag.scans.analytics(batch_id=unit.batch_id).scans != 1:
        assert time.monotonic() < until
        time.sleep(0.1)


def refused(kind: type[errors.VokeTagError], call: Callable[[], object]) -> errors.VokeTagError:
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def main() -> None:
    with Client(URL, api_key=os.environ["VOKETAG_API_KEY"]) as voketag:
        product = products(voketag)
        settings(voketag)
        batch_id = batches(voketag, product)
        unit = units(voketag, batch_id)
        refusals(voketag, batch_id)
        api_keys(voketag, batch_id)
        webhooks(voketag)
        dead_letters(voketag)
        files(voketag, product)
        void(voketag, product)
        assert voketag.products.archive(product.id).archived
        refused(errors.ProductArchived, lambda: voketag.batches.create(product.id, quantity=1))
        time.sleep(1)  # Scan obeys a recall within a second
        assert voketag.scan(unit.code).verdict is voketag_sdk.Verdict.RECALLED
        scans(voketag, unit)
    sys.stdout.write("every method works\n")


main()
