"""Bad input over REST and gRPC: the promised status and reason, words for the caller, and never a fault of ours.

`Answer.refusal` and `refusal_of` hold every refusal against the contract: its form, the code and the HTTP status that
go with its reason, and that nothing technical is in it. The tables here only name the reason.
"""

import http.client
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest

from tests.e2e.conftest import Issued
from tests.e2e.edge import NO_SUCH_ID, UNKNOWN_CODE, Rest, refusal_of
from tests.e2e.faults import wait_until

OVER_BOTH_TRANSPORTS = True

MIB = 1024 * 1024
PRODUCT = {"sku": "BAD-1", "name": "x"}
BATCH = {"product_id": NO_SUCH_ID, "quantity": 1}
KEY = {"name": "x", "scopes": ["products:read"]}
BLOCK = {"state": "UNIT_STATE_BLOCKED"}
PROOF = {"batch_id": NO_SUCH_ID, "leaf_hash": "00" * 32, "leaf_index": "0"}
UNIT = f"/v1/units/{1 << 40}/state"
ONE_PRODUCT, ONE_BATCH, ONE_KEY = f"/v1/products/{NO_SUCH_ID}", f"/v1/batches/{NO_SUCH_ID}", f"/v1/api-keys/{'a' * 16}"

# verb, path, body, reason
BAD_CODES = [
    ("GET", "/v1/scan", None, "MALFORMED_CODE"),
    ("GET", "/v1/scan?code=", None, "MALFORMED_CODE"),
    ("GET", "/v1/scan/x", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{'A' * 19}", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{'A' * 21}", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{'A' * 19}%20", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{'A' * 19}+", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{'A' * 19}=", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{'A' * 18}%C3%A9", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{'A' * 19}%0A", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{'A' * 19}%00", None, "INVALID_ARGUMENT"),
    ("GET", f"/v1/scan?code={'A' * 19}%00", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan?code={'A' * 18}%FF%FE", None, "INVALID_ARGUMENT"),
    ("GET", "/v1/scan/'%20OR%201=1%20--", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{'A' * 8000}", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{'A' * 14_000}", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{'A' * 30_000}", None, "MALFORMED_CODE"),
    ("GET", f"/v1/scan/{UNKNOWN_CODE}", None, "UNKNOWN_CODE"),
    ("GET", f"/v1/scan?code={UNKNOWN_CODE}", None, "UNKNOWN_CODE"),
    ("GET", f"/v1/scan/{'_-' * 10}", None, "UNKNOWN_CODE"),
    ("GET", f"/v1/scan/{UNKNOWN_CODE}/receipt", None, "UNKNOWN_CODE"),
    ("GET", "/v1/scan/x/receipt", None, "MALFORMED_CODE"),
    ("POST", "/v1/scan", {"code": UNKNOWN_CODE}, "UNKNOWN_CODE"),
    ("POST", "/v1/scan", {"code": ""}, "MALFORMED_CODE"),
    ("POST", "/v1/scan", {"code": "A" * 19 + "\0"}, "MALFORMED_CODE"),
    ("POST", "/v1/scan", {"code": "A" * 15_000}, "MALFORMED_CODE"),
    ("POST", "/v1/scan", {}, "MALFORMED_CODE"),
    ("POST", "/v1/scan", None, "MALFORMED_CODE"),
    ("POST", "/v1/scan", {"code": UNKNOWN_CODE, "device": {"timezone": "x" * 65}}, "INVALID_ARGUMENT"),
]
BAD_BODIES = [
    ("POST", "/v1/products", b'{"sku": "A", "name": ', "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b"sku=A&name=B", "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b"[]", "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b"null", "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b"7", "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b"", "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b"\0", "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b"\xff\xfe{\0", "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b'{"sku": "A", "name": "\xff\xfe"}', "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b'{"sku": "A", "name": "\\ud800"}', "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b'{"sku": "A", "name": "\\u0000"}', "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b'{"a": ' * 3000 + b"1" + b"}" * 3000, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", b"[" * 100_000, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", zlib.compress(json.dumps(PRODUCT).encode()), "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"name": 7}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"name": ["x"]}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"name": {"x": 1}}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"name": None}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"name": "x" * 256}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"markets": [1]}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"metadata": ["x"]}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"metadata": {"a": {"b": "c"}}}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"image_url": "javascript:alert(1)"}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"gtin": "4006381333930"}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"request_id": "1"}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"description": "x" * 1_000_000}, "INVALID_ARGUMENT"),
    ("POST", "/v1/products", PRODUCT | {"description": "x" * 1_100_000}, "REQUEST_TOO_LARGE"),
    ("PATCH", ONE_PRODUCT, {}, "INVALID_ARGUMENT"),
    ("PATCH", ONE_PRODUCT, {"product": {"name": "x"}, "update_mask": "sku"}, "INVALID_ARGUMENT"),
    ("PATCH", ONE_PRODUCT, {"product": {"name": "x"}, "update_mask": 7}, "INVALID_ARGUMENT"),
    ("PATCH", ONE_PRODUCT, {"product": "x"}, "INVALID_ARGUMENT"),
    (
        "PATCH",
        ONE_PRODUCT,
        {"product": {"name": "x"}, "product_id": "c9030396-0335-4d41-8c5e-3f2f0a6f6d1b"},
        "INVALID_ARGUMENT",
    ),
]
BAD_NUMBERS = [
    *[
        ("POST", "/v1/batches", BATCH | {"quantity": quantity}, "INVALID_ARGUMENT")
        for quantity in (0, -1, 1_000_001, 2**31, 2**63, 10**400, 1.5, "many", "1 000", "", True, [1], {})
    ],
    ("POST", "/v1/batches", b'{"quantity": 1e999}', "INVALID_ARGUMENT"),
    ("POST", "/v1/batches", b'{"quantity": NaN}', "INVALID_ARGUMENT"),
    ("POST", "/v1/units/0/state", BLOCK, "INVALID_ARGUMENT"),
    ("POST", "/v1/units/-1/state", BLOCK, "INVALID_ARGUMENT"),
    ("POST", "/v1/units/x/state", BLOCK, "INVALID_ARGUMENT"),
    ("POST", f"/v1/units/{2**63}/state", BLOCK, "INVALID_ARGUMENT"),
    ("POST", f"/v1/units/{2**63 - 1}/state", BLOCK, "UNIT_NOT_FOUND"),
    ("POST", UNIT, BLOCK | {"unit_id": "7"}, "INVALID_ARGUMENT"),
    ("POST", UNIT, {}, "INVALID_ARGUMENT"),
    ("POST", UNIT, {"state": "UNIT_STATE_GONE"}, "INVALID_ARGUMENT"),
    ("POST", UNIT, {"state": 99}, "INVALID_ARGUMENT"),
    ("POST", UNIT, {"state": 2**31}, "INVALID_ARGUMENT"),
    ("POST", UNIT, BLOCK | {"reason": "UNIT_STATE_REASON_NONE"}, "INVALID_ARGUMENT"),
    ("GET", f"{ONE_BATCH}/units/-1/qr", None, "INVALID_ARGUMENT"),
    ("GET", f"{ONE_BATCH}/units/{2**31}/qr", None, "INVALID_ARGUMENT"),
    ("GET", f"{ONE_BATCH}/units/0/qr?format=gif", None, "INVALID_ARGUMENT"),
    ("GET", f"{ONE_BATCH}/export?first_index=-1", None, "INVALID_ARGUMENT"),
    ("POST", f"{ONE_KEY}/rotate", {"overlap_seconds": -1}, "INVALID_ARGUMENT"),
    ("POST", f"{ONE_KEY}/rotate", {"overlap_seconds": 2**31 - 1}, "INVALID_ARGUMENT"),
    ("POST", "/v1/api-keys", KEY | {"expires_at": "2020-01-01T00:00:00Z"}, "INVALID_ARGUMENT"),
    ("POST", "/v1/api-keys", KEY | {"expires_at": "0000-00-00T00:00:00Z"}, "INVALID_ARGUMENT"),
    ("POST", "/v1/api-keys", KEY | {"expires_at": "tomorrow"}, "INVALID_ARGUMENT"),
    ("POST", "/v1/api-keys", KEY | {"scopes": ["everything"]}, "INVALID_ARGUMENT"),
    ("POST", "/v1/verify/proof", {}, "INVALID_ARGUMENT"),
    ("POST", "/v1/verify/proof", PROOF | {"leaf_index": "-1"}, "INVALID_ARGUMENT"),
    ("POST", "/v1/verify/proof", PROOF | {"leaf_index": str(2**63)}, "INVALID_ARGUMENT"),
    ("POST", "/v1/verify/proof", PROOF | {"leaf_hash": "zz" * 32}, "INVALID_ARGUMENT"),
    ("POST", "/v1/verify/proof", PROOF | {"inclusion_path": ["00" * 32] * 65}, "INVALID_ARGUMENT"),
    ("POST", "/v1/verify/proof", PROOF, "ANCHOR_NOT_FOUND"),
    ("GET", "/v1/verify/transaction/0x00", None, "INVALID_ARGUMENT"),
]
BAD_PATHS_AND_QUERIES = [
    *[
        ("GET", f"/v1/{collection}/{name}", None, "INVALID_ARGUMENT")
        for collection in ("products", "batches", "anchor", "verify")
        for name in ("1", "not-a-uuid", NO_SUCH_ID[:-1], "%00", "%FF", "a%2Fb", "a" * 20_000)
    ],
    ("GET", "/v1/products?page_size=-1", None, "INVALID_ARGUMENT"),
    ("GET", f"/v1/products?page_size={2**31}", None, "INVALID_ARGUMENT"),
    ("GET", "/v1/products?page_size=ten", None, "INVALID_ARGUMENT"),
    ("GET", "/v1/products?surprise=1", None, "INVALID_ARGUMENT"),
    ("GET", "/v1/products?include_archived=perhaps", None, "INVALID_ARGUMENT"),
    ("GET", "/v1/batches?state=BATCH_STATE_LOST", None, "INVALID_ARGUMENT"),
    ("GET", "/v1/batches?product_id=1", None, "INVALID_ARGUMENT"),
    *[
        ("GET", f"/v1/products?page_token={token}", None, "INVALID_PAGE_TOKEN")
        for token in ("x", "%00", "WzFd", "bnVsbA", "WyJ4Il0", "W10", "e30", "%F0%9F%92%A9", "Wy0xXQ")
    ],
    ("GET", "/v1/products?page_token=%FF%FE", None, "INVALID_ARGUMENT"),
    ("GET", f"/v1/products?page_token={'x' * 4097}", None, "INVALID_ARGUMENT"),
    ("DELETE", "/v1/api-keys/short", None, "INVALID_ARGUMENT"),
    ("DELETE", f"/v1/api-keys/{'a' * 16}%0A", None, "INVALID_ARGUMENT"),
    ("DELETE", ONE_KEY, None, "API_KEY_NOT_FOUND"),
    ("DELETE", f"{ONE_PRODUCT}?request_id=1", None, "INVALID_ARGUMENT"),
    ("GET", "/", None, "METHOD_NOT_FOUND"),
    ("GET", "/v1", None, "METHOD_NOT_FOUND"),
    ("GET", "/v2/products", None, "METHOD_NOT_FOUND"),
    ("GET", "/v1/products/a/b/c", None, "METHOD_NOT_FOUND"),
    ("GET", "/.env", None, "METHOD_NOT_FOUND"),
    ("GET", "/..%2F..%2Fetc%2Fpasswd", None, "METHOD_NOT_FOUND"),
    ("PUT", "/v1/products", {}, "METHOD_NOT_FOUND"),
    ("DELETE", "/v1/products", None, "METHOD_NOT_FOUND"),
    ("PATCH", "/v1/batches", {}, "METHOD_NOT_FOUND"),
    ("POST", "/v1/health", {}, "METHOD_NOT_FOUND"),
    ("GET", "/v1/admin/auth/login", None, "METHOD_NOT_FOUND"),
    ("OPTIONS", "/v1/scan", None, "METHOD_NOT_FOUND"),
    ("GET", "/voketag.factory.v1.FactoryService/ListProducts", None, "METHOD_NOT_FOUND"),
    ("POST", "/voketag.factory.v1.FactoryService/GetUnitProof", {}, "METHOD_NOT_FOUND"),
    ("POST", "/v1/admin/auth/login", {}, "INVALID_ARGUMENT"),
    ("POST", "/v1/admin/auth/login", {"email": "a" * 300, "password": "x"}, "INVALID_ARGUMENT"),
    ("POST", "/v1/admin/auth/login", {"email": "a@b.example\0", "password": "x"}, "WRONG_CREDENTIALS"),
    ("POST", "/v1/admin/auth/login", {"email": "a@b.example", "password": "\0"}, "WRONG_CREDENTIALS"),
]


def shown(value: object) -> str:
    return repr(value)[:60] if isinstance(value, dict | bytes) else str(value)[:60]


@pytest.mark.parametrize(
    ("verb", "path", "body", "reason"), BAD_CODES + BAD_BODIES + BAD_NUMBERS + BAD_PATHS_AND_QUERIES, ids=shown
)
def test_bad_input_over_rest_is_refused_with_its_reason(
    partner: Rest, verb: str, path: str, body: Any, reason: str
) -> None:
    assert partner(verb, path, body).refusal.reason == reason


def test_a_violation_names_every_field_that_is_wrong(partner: Rest) -> None:
    wrong = {"sku": "a b", "name": "", "markets": ["br"], "image_url": "ftp://x"}
    refusal = partner("POST", "/v1/products", wrong).refusal
    assert {"sku", "name", "markets", "image_url"} <= set(refusal.fields)
    assert refusal.message.startswith("sku: ")


def test_unknown_fields_of_a_body_are_ignored(rest: Rest) -> None:
    """Envoy cannot refuse them (deploy/README.md); what is known is held against its rules all the same."""
    assert rest("POST", "/v1/scan", {"code": UNKNOWN_CODE, "surprise": 1}).refusal.reason == "UNKNOWN_CODE"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/r/x", 400),
        (f"/r/{UNKNOWN_CODE}", 404),
        ("/r/a%2Fb", 400),
        (f"/r/{'A' * 14_000}?utm_source=chat", 400),
        ("/r/%00", 400),  # from here on the edge itself answers
        ("/r/", 404),
        ("/r?utm_source=chat", 404),
    ],
    ids=shown,
)
def test_the_page_of_a_code_that_is_not_ours_is_a_page_that_gives_nothing_away(
    rest: Rest, path: str, status: int
) -> None:
    page = rest("GET", path, **{"accept-language": "en"})
    assert (page.status, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert "x-page-status" not in page.headers
    assert "<html" in page.body
    assert "Traceback" not in page.body


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.5", "Não foi possível ler o código"),
        ("ES", "No se puede leer el código"),
        ("de,pt;q=0.5", "This code cannot be read"),
    ],
)
def test_the_edges_own_page_is_in_the_language_of_the_browser(rest: Rest, language: str, title: str) -> None:
    page = rest("GET", "/r/%00", **{"accept-language": language})
    assert f"<h1>{title}</h1>" in page.body
    assert "{width:100%;" in page.body, "as it was written"


def test_what_is_neither_a_page_nor_grpc_reaches_no_process(rest: Rest) -> None:
    odd = {"content-type": "application/grpc-web"}
    assert [rest("GET", f"{path}{UNKNOWN_CODE}", **odd).status for path in ("/r/", "/v1/scan/")] == [404, 404]


HEADERS: list[tuple[dict[str, str], int]] = [
    ({"x-timezone": "x" * 8_000}, 404),
    ({"x-timezone": "x" * 14_000}, 404),
    ({"user-agent": "x" * 30_000}, 404),
    ({"accept-language": ",".join(["en"] * 5_000)}, 404),
    ({"x-request-id": "x" * 10_000}, 404),
    ({"content-type": "text/plain"}, 404),
    ({"accept-encoding": "gzip", "te": "trailers"}, 404),
    ({"user-agent": "x" * 40_000}, 431),
    ({f"x-{number}": "1" for number in range(150)}, 431),
]


@pytest.mark.parametrize(("headers", "status"), HEADERS, ids=shown)
def test_odd_and_long_headers_never_become_a_fault_of_ours(rest: Rest, headers: dict[str, str], status: int) -> None:
    answer = rest("GET", f"/v1/scan/{UNKNOWN_CODE}", **headers)
    assert (answer.status, answer.reason) == (status, "UNKNOWN_CODE" if status == 404 else "REQUEST_TOO_LARGE")


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("grpc-timeout", "soon", 400),
        ("grpc-timeout", "999999999H", 400),
        ("grpc-encoding", "zip", 400),
        ("grpc-accept-encoding", "zip,,", 404),
        ("grpc-previous-rpc-attempts", "x", 404),
        ("grpc-retry-pushback-ms", "x", 404),
        ("grpc-status", "x", 404),
        ("grpc-trace-bin", "###", 404),
        ("x-anything-bin", "a", 404),
        ("te", "nonsense", 404),
    ],
)
def test_what_grpc_cannot_parse_is_no_fault_of_ours_and_harms_nobody_else(
    rest: Rest, channel: grpc.Channel, header: str, value: str, status: int
) -> None:
    """grpc's server keeps it in the header table of Envoy's connection, where other people's calls meet it again."""
    path = f"/v1/scan/{UNKNOWN_CODE}"
    for _ in range(4):  # on the connections to all scan processes
        answer = rest("GET", path, **{header: value})
        assert (answer.status, answer.refusal.reason) == (
            status,
            "INVALID_ARGUMENT" if status == 400 else "UNKNOWN_CODE",
        )
    for _ in range(8):
        assert rest("GET", path).refusal.reason == "UNKNOWN_CODE"
        with pytest.raises(grpc.RpcError) as refused:
            channel.unary_unary(f"/{SCAN}/Scan")(text(1, UNKNOWN_CODE.encode()), timeout=10)
        assert refusal_of(refused.value).reason == "UNKNOWN_CODE"


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /v1/health\r\n\r\n",
        b"GET /v1/\xff\xfe HTTP/1.1\r\nhost: edge\r\n\r\n",
        b"GET /v1/health HTTP/1.1\r\nhost: edge\r\nx-\0: 1\r\n\r\n",
        b"GET /v1/health HTTP/1.1\r\nhost: edge\r\nx: \0\r\n\r\n",
        b"GET /v1/health HTTP/1.1\r\n\r\n",
        b"POST /v1/scan HTTP/1.1\r\nhost: edge\r\ncontent-length: -1\r\n\r\n{}",
        b"POST /v1/scan HTTP/1.1\r\nhost: edge\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
        b"\0" * 100,
    ],
)
def test_what_is_not_http_gets_a_400_and_the_connection_is_closed(rest: Rest, raw: bytes) -> None:
    connection = http.client.HTTPConnection(urlsplit(rest.edge_url).netloc, timeout=10)
    connection.connect()
    connection.sock.sendall(raw)
    with connection.sock.makefile("rb") as answer:
        status_line = answer.read()
    connection.close()
    assert status_line.split(b"\r\n")[0].startswith(b"HTTP/1.1 4")
    assert b"Traceback" not in status_line


CREDENTIALS = [
    {},
    {"authorization": ""},
    {"authorization": "Bearer"},
    {"authorization": "Bearer "},
    {"authorization": "Basic dXNlcjpwYXNz"},
    {"authorization": "Bearer nonsense"},
    {"authorization": f"Bearer {'x' * 20_000}"},
    {"authorization": f"Bearer vkt_{'a' * 16}_{'b' * 43}"},
    {"authorization": "Bearer vkt__"},
    {"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."},
    {"authorization": "Bearer eyJhbGciOiJIUzI1NiIsImtpZCI6InVzZXItMSJ9.eyJzdWIiOiJ4In0.AAAA"},
    {"authorization": "Bearer \xe9"},
    {"x-api-key": "nonsense"},
]


@pytest.mark.parametrize("headers", CREDENTIALS, ids=shown)
def test_credentials_that_do_not_hold_are_refused_before_anything_else(rest: Rest, headers: dict[str, str]) -> None:
    assert rest("GET", "/v1/products?page_token=x", **headers).refusal.reason == "UNAUTHENTICATED"


def test_a_changed_an_expired_and_a_revoked_key_are_refused(partner: Rest, rest: Rest) -> None:
    made = partner("POST", "/v1/api-keys", KEY).body
    changed = made["secret"][:-2] + ("AA" if made["secret"][-2:] != "AA" else "BB")
    assert rest.with_key(changed)("GET", "/v1/products").refusal.reason == "UNAUTHENTICATED"
    soon = (datetime.now(UTC) + timedelta(seconds=1.5)).isoformat()
    short = rest.with_key(partner("POST", "/v1/api-keys", KEY | {"expires_at": soon}).body["secret"])
    assert short("GET", "/v1/products").status == 200
    wait_until("the key has expired", lambda: short("GET", "/v1/products").status == 401, seconds=3, every=0.1)
    assert short("GET", "/v1/products").refusal.reason == "UNAUTHENTICATED"
    partner("DELETE", f"/v1/api-keys/{made['api_key']['key_id']}")
    revoked = rest.with_key(made["secret"])
    wait_until("the key is revoked", lambda: revoked("GET", "/v1/products").status == 401, seconds=1)


def test_a_key_does_only_what_its_scopes_say_and_grants_no_more(partner: Rest, rest: Rest, issued: Issued) -> None:
    scopes = ["products:read", "api-keys:write"]
    reader = rest.with_key(partner("POST", "/v1/api-keys", {"name": "reader", "scopes": scopes}).body["secret"])
    product = f"/v1/products/{issued.product.product_id}"
    assert reader("GET", product).status == 200
    for verb, path, body in (
        ("POST", "/v1/products", PRODUCT),
        ("PATCH", product, {"product": {"name": "x"}}),
        ("DELETE", product, None),
        ("GET", "/v1/batches", None),
        ("POST", "/v1/batches", {"nothing": "right"}),
        ("GET", f"/v1/batches/{issued.batch.batch_id}/export", None),
        ("GET", "/v1/api-keys", None),
        ("POST", "/v1/api-keys", {"name": "more", "scopes": ["products:write"]}),
    ):
        assert reader(verb, path, body).refusal.reason == "PERMISSION_DENIED", path


def text(number: int, value: bytes) -> bytes:
    """One field of a protobuf message, written by hand: a generated class would not write most of these."""
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


SCAN, FACTORY, ANCHOR = (
    "voketag.scan.v1.ScanService",
    "voketag.factory.v1.FactoryService",
    "voketag.anchor.v1.AnchorService",
)
BAD_MESSAGES = [
    (f"{SCAN}/Scan", b"", "MALFORMED_CODE"),
    (f"{SCAN}/Scan", text(1, b"x"), "MALFORMED_CODE"),
    (f"{SCAN}/Scan", text(1, b"A" * 19 + b"\0"), "MALFORMED_CODE"),
    (f"{SCAN}/Scan", text(1, UNKNOWN_CODE.encode()), "UNKNOWN_CODE"),
    (f"{SCAN}/Scan", text(1, b"A" * 18 + b"\xff\xfe"), "INVALID_ARGUMENT"),
    (f"{SCAN}/Scan", b"\xff" * 30, "INVALID_ARGUMENT"),
    (f"{SCAN}/Scan", text(1, UNKNOWN_CODE.encode())[:-1], "INVALID_ARGUMENT"),
    (f"{SCAN}/Scan", text(1, UNKNOWN_CODE.encode()) + text(15, b"unknown"), "UNKNOWN_CODE"),
    (f"{SCAN}/Scan", b"\x0a\x80\x80\x80\x06" + b"A" * (12 * MIB), "REQUEST_TOO_LARGE"),
    (f"{SCAN}/GetReceipt", text(1, b"x"), "MALFORMED_CODE"),
    (f"{SCAN}/Nothing", b"", "METHOD_NOT_FOUND"),
    ("voketag.scan.v2.ScanService/Scan", b"", "METHOD_NOT_FOUND"),
    ("nothing", b"", "METHOD_NOT_FOUND"),
    (f"{FACTORY}/CreateProduct", b"", "INVALID_ARGUMENT"),
    (f"{FACTORY}/CreateProduct", text(1, b"A") + text(2, b"\0"), "INVALID_ARGUMENT"),
    (f"{FACTORY}/CreateProduct", text(1, b"A") + text(2, b"\xff"), "INVALID_ARGUMENT"),
    (f"{FACTORY}/GetProduct", text(1, b"1"), "INVALID_ARGUMENT"),
    (f"{FACTORY}/GetProduct", text(1, NO_SUCH_ID.encode()), "PRODUCT_NOT_FOUND"),
    (f"{FACTORY}/ListProducts", text(2, b"x"), "INVALID_PAGE_TOKEN"),
    (f"{FACTORY}/CreateBatch", text(1, NO_SUCH_ID.encode()) + b"\x10\x00", "INVALID_ARGUMENT"),
    (f"{FACTORY}/CreateBatch", text(1, NO_SUCH_ID.encode()) + b"\x10" + b"\xff" * 9 + b"\x01", "INVALID_ARGUMENT"),
    (f"{FACTORY}/CreateBatch", text(1, NO_SUCH_ID.encode()) + b"\x10\x01", "PRODUCT_NOT_FOUND"),
    (f"{FACTORY}/WatchBatch", text(1, b"1"), "INVALID_ARGUMENT"),
    (f"{FACTORY}/ExportUnits", text(1, NO_SUCH_ID.encode()), "BATCH_NOT_FOUND"),
    (f"{FACTORY}/SetUnitState", b"\x08\x01\x10\x63", "INVALID_ARGUMENT"),
    (f"{FACTORY}/SetUnitState", b"\x08" + b"\xff" * 9 + b"\x01\x10\x01", "INVALID_ARGUMENT"),
    (f"{ANCHOR}/VerifyBatch", text(1, NO_SUCH_ID.encode()), "ANCHOR_NOT_FOUND"),
]


@pytest.fixture
def raw_call(channel: grpc.Channel, partner: Rest) -> Callable[..., bytes]:
    def call(method: str, message: bytes, *more: tuple[str, str]) -> bytes:
        metadata = (*partner.headers.items(), *more)
        return b"".join(channel.unary_stream(f"/{method}")(message, timeout=20, metadata=metadata))

    return call


@pytest.mark.parametrize(("method", "message", "reason"), BAD_MESSAGES, ids=shown)
def test_bad_messages_over_grpc_are_refused_with_their_reason(
    raw_call: Callable[..., bytes], method: str, message: bytes, reason: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        raw_call(method, message)
    assert refusal_of(refused.value).reason == reason


@pytest.mark.parametrize("headers", CREDENTIALS[:-2], ids=shown)
def test_credentials_that_do_not_hold_are_refused_over_grpc_too(channel: grpc.Channel, headers: dict[str, str]) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary(f"/{FACTORY}/ListProducts")(b"", timeout=10, metadata=tuple(headers.items()))
    assert refusal_of(refused.value).reason == "UNAUTHENTICATED"


@pytest.mark.parametrize("length", [9_000, 14_000, 25_000])
def test_long_metadata_passes_whole(raw_call: Callable[..., bytes], length: int) -> None:
    """grpc's own limits lie at 8 and 16 KiB, and between them it refuses at random."""
    for _ in range(5):
        assert raw_call(f"{FACTORY}/ListProducts", b"", ("x-long", "x" * length))
