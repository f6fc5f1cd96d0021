"""The main job over REST, as contracts.md says it: plain HTTP and JSON, no client of ours."""

import csv
import io
import time
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from deploy.local.stack import LocalStack
from tests.e2e.conftest import Issued
from tests.e2e.edge import NO_SUCH_ID, Answer, Rest
from tests.e2e.faults import wait_until
from voketag.admin.v1 import admin_pb2
from voketag.anchor.v1 import anchor_pb2
from voketag.factory.v1 import factory_pb2
from voketag.scan.v1 import scan_pb2
from voketag_kernel import codes, receipts, rfc6962


def sku() -> str:
    return f"TEA-{uuid4().hex[:8]}"


def test_a_product_is_registered_read_changed_listed_and_archived(partner: Rest) -> None:
    facts = {
        "sku": sku(),
        "name": "Garden tea",
        "gtin": "4006381333931",
        "category": "tea",
        "description": "Picked by hand.",
        "markets": ["BR", "DE"],
        "image_url": "https://img.example/tea.png",
        "metadata": {"line": "3"},
    }
    made = partner("POST", "/v1/products", facts)
    product = made.as_message(factory_pb2.Product)
    assert {name: made.body[name] for name in facts} == facts
    path = f"/v1/products/{product.product_id}"
    assert partner("GET", path).as_message(factory_pb2.Product) == product

    change = {"product": {"name": "Mountain tea", "image_url": "", "category": "not named"}}
    changed = partner("PATCH", path, change | {"update_mask": "name,image_url"}).as_message(factory_pb2.Product)
    assert (changed.name, changed.image_url, changed.category) == ("Mountain tea", "", "tea")
    by_query = partner("PATCH", f"{path}?update_mask=category", {"product": {"category": "drinks"}})
    assert (by_query.body["name"], by_query.body["category"]) == ("Mountain tea", "drinks")

    listed = partner("GET", "/v1/products?page_size=1").as_message(factory_pb2.ListProductsResponse)
    assert [each.product_id for each in listed.products] == [product.product_id], "newest first"
    assert partner("DELETE", path).as_message(factory_pb2.Product).archived
    assert partner("DELETE", path).as_message(factory_pb2.Product).archived, "twice is no error"
    listed = partner("GET", "/v1/products?page_size=1").as_message(factory_pb2.ListProductsResponse)
    assert product.product_id not in {each.product_id for each in listed.products}
    listed = partner("GET", "/v1/products?include_archived=true").as_message(factory_pb2.ListProductsResponse)
    assert product.product_id in {each.product_id for each in listed.products}
    order = {"product_id": product.product_id, "quantity": 1}
    assert partner("POST", "/v1/batches", order).refusal.reason == "PRODUCT_ARCHIVED"


def test_the_same_request_twice_is_one_and_another_request_is_a_conflict(partner: Rest) -> None:
    request = {"sku": sku(), "name": "Garden tea", "request_id": str(uuid4())}
    first = partner("POST", "/v1/products", request)
    assert partner("POST", "/v1/products", request).body == first.body
    assert partner("POST", "/v1/products", request | {"name": "x"}).refusal.reason == "IDEMPOTENCY_CONFLICT"
    again = {"sku": request["sku"], "name": "Garden tea"}
    assert partner("POST", "/v1/products", again).refusal.reason == "DUPLICATE_SKU"


def test_a_batch_completes_with_its_root_on_the_chain(issued: Issued, stack: LocalStack) -> None:
    batch = issued.batch
    assert (batch.quantity, batch.issued_count, batch.lot, batch.expires_at) == (5, 5, "L-7", "2099-12-31")
    assert len(bytes.fromhex(batch.merkle_root)) == 32
    assert batch.anchor.chain_id == stack.credentials["chain_id"]
    mined = stack.anvil.call("eth_getTransactionReceipt", batch.anchor.tx_hash)
    assert int(mined["blockNumber"], 16) == batch.anchor.block_number
    assert mined["to"].lower() == stack.credentials["contract_address"].lower()


def test_batches_are_listed_by_product_and_state_a_page_at_a_time(partner: Rest) -> None:
    product = partner("POST", "/v1/products", {"sku": sku(), "name": "Garden tea"}).as_message(factory_pb2.Product)
    order = {"product_id": product.product_id, "quantity": 1}
    first, second = (partner("POST", "/v1/batches", order).as_message(factory_pb2.Batch) for _ in range(2))
    own = f"/v1/batches?product_id={product.product_id}"
    page = partner("GET", f"{own}&page_size=1").as_message(factory_pb2.ListBatchesResponse)
    assert [batch.batch_id for batch in page.batches] == [second.batch_id]
    page = partner("GET", f"{own}&page_size=1&page_token={page.next_page_token}")
    assert [batch["batch_id"] for batch in page.body["batches"]] == [first.batch_id]
    assert page.body["next_page_token"] == ""
    assert partner("GET", f"{own}&state=BATCH_STATE_FAILED").body["batches"] == []


def test_a_batch_that_is_being_issued_is_cancelled_and_a_final_one_is_neither_cancelled_nor_retried(
    partner: Rest, issued: Issued
) -> None:
    order = {"product_id": issued.product.product_id, "quantity": 1_000_000}
    batch = partner("POST", "/v1/batches", order).as_message(factory_pb2.Batch)
    assert batch.state == factory_pb2.BATCH_STATE_PENDING
    cancelled = partner("POST", f"/v1/batches/{batch.batch_id}/cancel").as_message(factory_pb2.Batch)
    assert cancelled.state == factory_pb2.BATCH_STATE_CANCELLED
    assert partner("POST", f"/v1/batches/{batch.batch_id}/cancel", {}).status == 200, "twice is no error"
    for final in (batch.batch_id, issued.batch.batch_id):
        assert partner("POST", f"/v1/batches/{final}/retry", {}).refusal.reason == "BATCH_STATE"
    assert partner("POST", f"/v1/batches/{issued.batch.batch_id}/cancel").refusal.reason == "BATCH_STATE"


def test_units_are_listed_a_page_at_a_time_and_exported_as_csv(partner: Rest, issued: Issued) -> None:
    path = f"/v1/batches/{issued.batch.batch_id}"
    page = partner("GET", f"{path}/units?page_size=3").as_message(factory_pb2.ListUnitsResponse)
    rest = partner("GET", f"{path}/units?page_token={page.next_page_token}").as_message(factory_pb2.ListUnitsResponse)
    assert (*page.units, *rest.units) == issued.units
    assert [unit.index for unit in issued.units] == [0, 1, 2, 3, 4]

    exported = partner("GET", f"{path}/export")
    assert (exported.status, exported.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    header, *rows = exported.body.split("\r\n")[:-1]
    assert header == "index,unit_id,serial,code,url,state"
    expected = [
        [str(unit.index), str(unit.unit_id), unit.serial, unit.code, unit.url, "ACTIVE"] for unit in issued.units
    ]
    assert list(csv.reader(io.StringIO("\n".join(rows)))) == expected
    assert partner("GET", f"{path}/export?first_index=3").body.split("\r\n") == [*rows[3:], ""]


def test_a_qr_code_is_svg_or_png(partner: Rest, issued: Issued) -> None:
    path = f"/v1/batches/{issued.batch.batch_id}/units/0/qr"
    drawn = partner("GET", path)
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(drawn.body).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own
    assert partner("GET", f"{path}?format=svg").body == drawn.body
    painted = partner("GET", f"{path}?format=png")
    assert painted.headers["content-type"] == "image/png"
    assert painted.body.startswith(b"\x89PNG\r\n\x1a\n")


def test_a_stranger_scans_three_ways_and_every_scan_counts(rest: Rest, issued: Issued) -> None:
    unit = issued.units[0]
    device = {"screen_resolution": "1170x2532", "timezone": "America/Sao_Paulo"}
    scans = [
        rest("GET", f"/v1/scan/{unit.code}"),
        rest("GET", f"/v1/scan?code={unit.code}"),
        rest("POST", "/v1/scan", {"code": unit.code, "device": device}),
    ]
    verdicts = [scan.as_message(scan_pb2.ScanResponse) for scan in scans]
    before = verdicts[0].history.total_scans - 1  # other tests scan the unit, too
    assert [each.history.total_scans for each in verdicts] == [before + 1, before + 2, before + 3]
    assert len({each.verification_id for each in verdicts}) == 3
    first = verdicts[0]
    assert (first.valid, first.verdict, first.degraded) == (True, scan_pb2.VERDICT_AUTHENTIC, False)
    assert (first.product.id, first.product.name) == (issued.product.product_id, "Mountain coffee")
    assert (first.batch.id, first.batch.lot, first.batch.expires_at) == (issued.batch.batch_id, "L-7", "2099-12-31")
    assert (first.unit.serial, first.unit.state) == (unit.serial, scan_pb2.UNIT_STATE_ACTIVE)


def test_the_printed_url_opens_a_page_that_is_a_scan(rest: Rest, issued: Issued) -> None:
    unit = issued.units[1]
    assert unit.url == f"{rest.edge_url}/r/{unit.code}"
    before = rest("GET", f"/v1/scan/{unit.code}").as_message(scan_pb2.ScanResponse).history.total_scans
    page = rest("GET", f"/r/{unit.code}", **{"accept-language": "pt-BR"})
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Mountain coffee" in page.body
    assert '<html lang="pt-BR"' in page.body
    after = rest("GET", f"/v1/scan/{unit.code}").as_message(scan_pb2.ScanResponse).history.total_scans
    assert after == before + 2


def test_a_units_state_is_obeyed_by_scans_within_a_second(partner: Rest, rest: Rest, issued: Issued) -> None:
    unit = issued.units[2]
    path = f"/v1/units/{unit.unit_id}/state"
    assert rest("GET", f"/v1/scan/{unit.code}").body["verdict"] == "VERDICT_AUTHENTIC"
    for state, verdict in (
        ("SUSPENDED", "VERDICT_SUSPENDED"),
        ("RECALLED", "VERDICT_RECALLED"),
        ("BLOCKED", "VERDICT_BLOCKED"),
    ):
        change = {"state": f"UNIT_STATE_{state}", "reason": "UNIT_STATE_REASON_STOLEN"}
        changed = partner("POST", path, change).as_message(factory_pb2.Unit)
        assert (changed.unit_id, changed.state_reason) == (unit.unit_id, factory_pb2.UNIT_STATE_REASON_STOLEN)
        time.sleep(1)
        scan = rest("GET", f"/v1/scan/{unit.code}").as_message(scan_pb2.ScanResponse)
        assert (scan_pb2.Verdict.Name(scan.verdict), scan.valid) == (verdict, False)


def test_a_receipt_leads_to_the_chain_and_every_check_agrees(rest: Rest, issued: Issued) -> None:
    unit, batch = issued.units[3], issued.batch
    answer = rest("GET", f"/v1/scan/{unit.code}/receipt")
    assert answer.headers["content-type"] == "application/json"
    receipt = receipts.parse(answer.body)
    assert receipts.check_offline(receipt).facts["lot"] == "L-7"
    assert (receipt.batch_root.hex(), receipt.serial) == (batch.merkle_root, unit.serial)

    anchor = rest("GET", f"/v1/anchor/{batch.batch_id}").as_message(anchor_pb2.Anchor)
    assert (anchor.state, anchor.merkle_root) == (anchor_pb2.ANCHOR_STATE_CONFIRMED, batch.merkle_root)
    assert receipt.anchor is not None
    assert receipt.anchor.root.hex() == anchor.inclusion.root
    found = rest("GET", f"/v1/verify/{batch.batch_id}").as_message(anchor_pb2.VerifyBatchResponse)
    assert (found.valid, found.anchor.anchor_id) == (True, anchor.anchor_id)
    leaf = receipts.unit_leaf_data(
        salt=receipt.salt,
        raw_code=codes.raw_of(receipt.code),
        facts_hash=receipts.facts_hash(receipt.batch_facts),
        serial=receipt.serial,
    )
    proof = {
        "batch_id": batch.batch_id,
        "leaf_hash": rfc6962.leaf_hash(leaf).hex(),
        "leaf_index": str(receipt.leaf_index),
        "inclusion_path": [node.hex() for node in receipt.inclusion_path],
    }
    proven = rest("POST", "/v1/verify/proof", proof).as_message(anchor_pb2.VerifyProofResponse)
    assert (proven.valid, proven.included) == (True, True)
    forged = rest("POST", "/v1/verify/proof", proof | {"leaf_hash": "00" * 32})
    assert forged.as_message(anchor_pb2.VerifyProofResponse).failure == (anchor_pb2.VERIFICATION_FAILURE_PROOF_MISMATCH)
    transaction = rest("GET", f"/v1/verify/transaction/{batch.anchor.tx_hash}")
    assert anchor.inclusion.root in transaction.as_message(anchor_pb2.VerifyTransactionResponse).roots


def test_the_chain_and_its_anchors_as_anybody_and_as_the_operator_see_them(
    rest: Rest, stack: LocalStack, operator_token: str, issued: Issued
) -> None:
    chain = rest("GET", "/v1/chain").as_message(anchor_pb2.ChainStatus)
    assert (chain.chain_id, chain.contract) == (
        stack.credentials["chain_id"],
        stack.credentials["contract_address"],
    )
    operator = rest.with_key(operator_token)
    page = operator("GET", "/v1/anchors?state=ANCHOR_STATE_CONFIRMED").as_message(anchor_pb2.ListAnchorsResponse)
    mine = {anchor.batch_id: anchor for anchor in page.anchors}[issued.batch.batch_id]
    assert operator("POST", f"/v1/anchor/{mine.anchor_id}/retry").refusal.reason == "ANCHOR_STATE"
    again = {"batch_id": mine.batch_id, "merkle_root": mine.merkle_root, "tree_size": str(mine.tree_size)}
    assert operator("POST", "/v1/anchor", again).as_message(anchor_pb2.Anchor) == mine
    assert operator("POST", "/v1/anchor", again | {"merkle_root": "00" * 32}).refusal.reason == "ROOT_CONFLICT"


def test_api_keys_are_made_used_rotated_and_revoked(partner: Rest, rest: Rest) -> None:
    made = partner("POST", "/v1/api-keys", {"name": "line 3", "scopes": ["products:read"]})
    key = made.as_message(factory_pb2.CreateApiKeyResponse)
    holder = rest.with_key(key.secret)
    assert holder("GET", "/v1/products").status == 200
    assert rest("GET", "/v1/products", **{"x-api-key": key.secret}).status == 200
    listed = partner("GET", "/v1/api-keys").as_message(factory_pb2.ListApiKeysResponse)
    assert key.api_key.key_id in {each.key_id for each in listed.api_keys}
    assert key.secret not in str(listed)

    path = f"/v1/api-keys/{key.api_key.key_id}"
    rotation = {"overlap_seconds": 0, "request_id": str(uuid4())}
    successor = partner("POST", f"{path}/rotate", rotation).as_message(factory_pb2.CreateApiKeyResponse)
    assert list(successor.api_key.scopes) == ["products:read"]
    wait_until("the old key is refused", lambda: _refused(holder("GET", "/v1/products")), seconds=1)
    holder = rest.with_key(successor.secret)
    assert holder("GET", "/v1/products").status == 200
    revoked = partner("DELETE", f"/v1/api-keys/{successor.api_key.key_id}").as_message(factory_pb2.ApiKey)
    assert revoked.HasField("revoked_at")
    wait_until("the new key is refused", lambda: _refused(holder("GET", "/v1/products")), seconds=1)


def test_people_sign_in_and_the_line_says_how_it_is(rest: Rest, stack: LocalStack) -> None:
    credentials = {"email": stack.credentials["admin_email"], "password": stack.credentials["admin_password"]}
    login = rest("POST", "/v1/admin/auth/login", credentials).as_message(admin_pb2.LoginResponse)
    assert (login.token_type, login.expires_in, login.role) == ("Bearer", 900, admin_pb2.ROLE_SUPER_ADMIN)
    wrong = rest("POST", "/v1/admin/auth/login", credentials | {"password": "wrong"})
    assert wrong.refusal.reason == "WRONG_CREDENTIALS"
    assert rest("GET", "/v1/health").as_message(scan_pb2.HealthResponse).status == "ok"
    assert rest("GET", "/v1/ready").as_message(scan_pb2.ReadyResponse).status == "ready"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (f"/v1/products/{NO_SUCH_ID}", "PRODUCT_NOT_FOUND"),
        (f"/v1/batches/{NO_SUCH_ID}", "BATCH_NOT_FOUND"),
        (f"/v1/batches/{NO_SUCH_ID}/export", "BATCH_NOT_FOUND"),
        (f"/v1/anchor/{NO_SUCH_ID}", "ANCHOR_NOT_FOUND"),
        (f"/v1/verify/{NO_SUCH_ID}", "ANCHOR_NOT_FOUND"),
        (f"/v1/verify/transaction/0x{'00' * 32}", "TRANSACTION_NOT_FOUND"),
    ],
)
def test_what_does_not_exist_is_not_found(partner: Rest, path: str, reason: str) -> None:
    assert partner("GET", path).refusal.reason == reason


def _refused(answer: Answer) -> bool:
    return answer.status == 401 and answer.refusal.reason == "UNAUTHENTICATED"
