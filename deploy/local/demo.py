"""`make demo`: the main job on real parts. A product, 10,000 codes, their root on a chain, scans, a receipt, a
ledger.

It has a stack of its own (free ports, a temporary folder), takes well under 90 seconds, and leaves nothing running.
"""

import json
import queue
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from deploy.local.errors import StackError
from deploy.local.stack import LocalStack
from deploy.local.supervisor import Stopped, stopped_by_signals
from deploy.local.terminal import Terminal
from deploy.local.webhook_receiver import WebhookReceiver
from voketag_kernel.notes import VerifierKey
from voketag_sdk import Batch, BatchState, Client, ExportedUnit, verify_log, verify_receipt
from voketag_sdk.errors import ReceiptError, UnknownCode, VokeTagError

QUANTITY = 10_000
BURST = 12
_LEDGER_SECONDS = 10
_WEBHOOK_SECONDS = 15
_PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
_COLOURS = {"AUTHENTIC": "green", "WARNING": "yellow"}


class Demo:
    """Tells the story, chapter by chapter."""

    def __init__(self, stack: LocalStack, client: Client, terminal: Terminal) -> None:
        self._stack = stack
        self._client = client
        self._terminal = terminal
        self._issued = -1

    def tell(self) -> None:
        """Do the main job and show what happened."""
        batch = self._order()
        unit = self._print(batch)
        scan = self._scan(unit)
        self._copy(unit)
        self._receipt(unit)
        self._ledger(scan)

    def _order(self) -> Batch:
        """Order codes; the factory's ERP hears by a webhook when they are on the chain."""
        with WebhookReceiver() as erp:
            new = self._client.webhooks.create(erp.url, events=["batch.completed"])
            erp.secret = new.secret
            batch = self._wait_for_codes()
            self._hear_of(batch, erp)
        return batch

    def _hear_of(self, batch: Batch, erp: WebhookReceiver) -> None:
        try:
            event = erp.events.get(timeout=_WEBHOOK_SECONDS)
        except queue.Empty:
            raise StackError("no webhook came that the SDK believes") from None
        if event.data["batch_id"] != batch.id:
            raise StackError(f"a webhook told of another batch: {event}")
        self._terminal.tick("webhook", f"{event.type} came to the factory's ERP, its signature verified")

    def _wait_for_codes(self) -> Batch:
        show = self._terminal
        show.heading(1, "A factory registers a product")
        product = self._client.products.create(sku="AURORA-30", name="Aurora Serum 30 ml", gtin="7891234567895")
        show.line("product", f"{product.name}, SKU {product.sku}, GTIN {product.gtin}")
        show.line("id", product.id)
        show.heading(2, f"and orders {QUANTITY:,} codes for lot L-2026-11")
        batch = self._client.batches.create(product.id, quantity=QUANTITY, lot="L-2026-11")
        batch = self._client.batches.wait(batch.id, progress=self._progress, timeout=60)
        if batch.anchor is None:
            raise StackError("the batch was completed without an anchor")
        show.clear_status()
        show.line("batch", batch.id)
        show.line("root", batch.merkle_root)
        show.tick("on chain", f"transaction {batch.anchor.tx_hash}")
        show.line("", f"block {batch.anchor.block_number} of chain {batch.anchor.chain_id}")
        return batch

    def _progress(self, batch: Batch) -> None:
        if batch.issued_count > self._issued:
            self._issued = batch.issued_count
            self._terminal.bar("codes", batch.issued_count, QUANTITY)
        if batch.state is BatchState.ANCHORING:
            self._terminal.status("waiting for the chain to confirm the root...")

    def _print(self, batch: Batch) -> ExportedUnit:
        show = self._terminal
        show.heading(3, "One of them, as it is printed on the box")
        unit = next(iter(self._client.batches.rows(batch.id)))
        size = show.qr(unit.url)
        show.line("url", unit.url)
        show.line("serial", unit.serial)
        show.line("qr", size)
        return unit

    def _scan(self, unit: ExportedUnit) -> dict[str, Any]:
        show = self._terminal
        show.heading(4, "A customer scans it")
        scan = self._by_phone(unit.code)
        show.line("verdict", self._verdict(scan))
        show.line("", scan["message"])
        try:
            self._client.scan("A" * len(unit.code))
        except UnknownCode as error:
            show.line("a guess", f"{show.paint('refused', 'red')}: {error.message}")
        return scan

    def _copy(self, unit: ExportedUnit) -> None:
        show = self._terminal
        show.heading(5, f"Somebody copied the label: {BURST} phones scan it within a minute")
        scans = [self._by_phone(unit.code, screen=f"{1000 + phone}x2532") for phone in range(BURST)]
        for verdict, same in groupby(map(_short, scans)):
            show.line("", show.paint(f"{'● ' * len(list(same))}{verdict}", _COLOURS.get(verdict, "red")))
        show.line("verdict", self._verdict(scans[-1]))
        for factor in scans[-1]["risk_factors"]:
            show.line(f"+{factor['weight']}", factor["detail"])

    def _receipt(self, unit: ExportedUnit) -> None:
        show = self._terminal
        show.heading(6, "The receipt, checked without trusting us")
        credentials = self._stack.credentials
        receipt = self._client.receipt(unit.code)
        offline = verify_receipt(receipt)
        show.tick(
            "offline", f"the code is leaf {receipt.leaf_index:,} of the {offline.facts['quantity']:,} under the root"
        )
        show.line("", f"made by {offline.facts['brand']}: {offline.facts['product_name']}, lot {offline.facts['lot']}")
        proven = verify_receipt(receipt, credentials["chain_rpc_url"], contract=credentials["contract_address"])
        if proven.chain is None:
            raise StackError("the chain was asked and gave no evidence")
        show.tick("the chain", f"holds the root since {proven.chain.anchored_at:%Y-%m-%d %H:%M:%S} UTC")
        show.line("", f"contract {proven.chain.contract}, {proven.chain.confirmations} confirmations")
        self._tamper(unit)

    def _tamper(self, unit: ExportedUnit) -> None:
        document = json.loads(_get(f"{self._stack.credentials['edge_url']}/v1/scan/{unit.code}/receipt"))
        document["batch_facts"] = document["batch_facts"].replace("L-2026-11", "L-2026-12")
        try:
            verify_receipt(document)
        except ReceiptError as error:
            self._terminal.tick("tampered", "another lot written into it, and it is refused:")
            self._terminal.line("", str(error))
        else:
            raise StackError("a changed receipt was accepted")

    def _ledger(self, scan: dict[str, Any]) -> None:
        show = self._terminal
        show.heading(7, "That scan is in a ledger that nobody can rewrite")
        credentials, checked = self._stack.credentials, None
        until = time.monotonic() + _LEDGER_SECONDS
        while checked is None:
            try:
                proof = _get(f"{credentials['edge_url']}/v1/ledger/entries/{scan['verification_id']}/proof").decode()
                checked = verify_log.check(proof, VerifierKey.parse(credentials["ledger_key"]))
            except urllib.error.HTTPError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        checkpoint, entry = checked
        show.tick("signed", f"{checkpoint.size} scans under one root, by {checkpoint.origin}")
        show.tick("included", f"scan {entry.verification_id}, checked with the ledger's key and nothing else")

    def _by_phone(self, code: str, *, screen: str = "1170x2532") -> dict[str, Any]:
        url = f"{self._stack.credentials['edge_url']}/v1/scan/{code}"
        answer: dict[str, Any] = json.loads(_get(url, screen=screen))
        return answer

    def _verdict(self, scan: dict[str, Any]) -> str:
        verdict = self._terminal.paint(_short(scan), _COLOURS.get(_short(scan), "red"))
        return f"{verdict}, risk {scan['risk_score']} of 100, scan number {scan['history']['total_scans']}"


def _get(url: str, **hints: str) -> bytes:
    headers = {"user-agent": _PHONE, "accept-language": "en", "x-screen-resolution": hints.get("screen", "")}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - http
        body: bytes = answer.read()
        return body


def _short(scan: dict[str, Any]) -> str:
    return str(scan["verdict"]).removeprefix("VERDICT_")


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="voketag-demo-"))
    folder.chmod(0o711)  # as root, PostgreSQL runs as another user, who must get through; the secrets are closed anyway
    yield folder
    shutil.rmtree(folder, ignore_errors=True)  # kept when something failed: the logs are in it


def main() -> None:
    """Run the demo; exit code 1 and the place of the logs when something fails."""
    began = time.monotonic()
    show = Terminal()
    show.write(show.paint("VokeTag, the whole line on real parts", "bold"))
    with stopped_by_signals(), _folder() as folder:
        stack = LocalStack(folder, say=show.status)
        try:
            with stack:
                show.clear_status()
                show.tick("stack", f"{len(stack.parts)} processes up in {time.monotonic() - began:.0f} s")
                with Client(stack.credentials["edge_url"], api_key=stack.credentials["partner_api_key"]) as client:
                    Demo(stack, client, show).tell()
        except (StackError, VokeTagError, OSError) as error:
            show.clear_status()
            sys.exit(f"the demo failed: {error}\nlogs: {stack.logs}")
        except Stopped as stopped:
            show.clear_status()
            stack.remove()
            sys.exit(f"\nstopped by {stopped}; nothing is left running")
        show.clear_status()
        stack.remove()
    show.write(f"\nDone in {time.monotonic() - began:.0f} s; nothing is left running.")


if __name__ == "__main__":
    main()
