"""A clumsy and a hostile partner at the edge: whatever they send to Factory is answered, or refused with a reason.

tests/rpc/factory/test_hostile_calls.py does the same with gRPC's messages, which have fields where REST has only text.
"""

import socket
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from random import Random
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import grpc
import pytest
from google.protobuf import field_mask_pb2

from deploy.local.stack import LocalStack
from services.common.paging import encode_token
from tests.e2e.conftest import Issued
from tests.e2e.edge import NO_SUCH_ID, PROMISED, Answer, Binding, Rest, bindings, refusal_of
from tests.e2e.faults import wait_until
from voketag.factory.v1 import factory_pb2, factory_pb2_grpc, imports_pb2, webhooks_pb2
from voketag_sdk import Client, errors

REQUESTS = 700
OURS = [each for each in bindings() if each.method.containing_service.name == "FactoryService"]
LISTINGS = [each for each in OURS if "page_token" in each.method.input_type.fields_by_name]
TIMES = [each for each in OURS if each.verb == "GET" and "to_time" in each.method.input_type.fields_by_name]
TEXTS = (
    *("", " ", "x", "\0", "é" * 300, "😀" * 70, "\u202e", "=1+1", "%00", "../..", "a" * 5000, "[]", "null", "-1"),
    *("1e999", "9999-12-31", "0000-01-01", "9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00Z", "4006381333931"),
    *(NO_SUCH_ID, "WyJcdWQ4MDAiXQ", "name desc", "http://a b/", "BATCH_STATE_PENDING", "*", "a.b"),
)
VALUES = (*TEXTS, 0, -1, 2**31, 2**63, 1.5, True, None, [], {}, ["x"] * 3, {"a": "b"}, [[]])
BODIES = (
    b"",
    b"\0",
    b"{",
    b"[" * 3000,
    b'{"name":"\\ud800"}',
    b"serial\r\nA",
    b"serial,\xff\n",
    b"serial\n" + b"x,y\n" * 999,
)
TYPES = ("application/json", "text/csv", "text/plain", "multipart/form-data; boundary=x", "application/octet-stream")


@pytest.fixture(autouse=True)
def _no_fault_of_ours(stack: LocalStack) -> Iterator[None]:
    """Factory and Scan log no fault meanwhile, nor anything that came as a credential."""
    logs = [log for log in stack.logs.glob("*.log") if log.name.startswith(("factory", "scan"))]
    before = [log.stat().st_size for log in logs]
    yield
    for log, start in zip(logs, before, strict=True):
        written = log.read_bytes()[start:].decode(errors="replace")
        assert "Traceback" not in written
        assert stack.credentials["partner_api_key"] not in written


@pytest.fixture
def product_id(partner: Rest) -> str:
    made = partner("POST", "/v1/products", {"sku": f"HOSTILE-{uuid4().hex[:8]}", "name": "x"})
    return str(made.body["product_id"])


def path_of(binding: Binding, known: dict[str, str], unknown: str = NO_SUCH_ID) -> str:
    """Return a binding's path with what is known in its variables, and something else in the others."""
    parts = binding.path.split("/")
    return "/".join(quote(known.get(part[1:-1], unknown), safe="") if part[:1] == "{" else part for part in parts)


def csv(partner: Rest, product_id: str, file: bytes) -> Answer:
    return partner("POST", f"/v1/batches/csv?product_id={product_id}", file, **{"content-type": "text/csv"})


def raw(partner: Rest, request: bytes, *, cut: bool = False) -> bytes:
    """Send bytes, with the partner's key behind the first line, and return what comes back; `cut` ends it there."""
    host, _, port = partner.edge_url.removeprefix("http://").partition(":")
    head, _, rest = request.partition(b"\r\n")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        key = partner.headers["authorization"].encode()
        connection.sendall(b"%s\r\nHost: x\r\nConnection: close\r\nAuthorization: %s%s" % (head, key, rest))
        if cut:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_no_request_is_a_fault_of_ours(partner: Rest, rest: Rest, issued: Issued, product_id: str) -> None:
    random = Random(11)  # noqa: S311 - which requests are tried is no secret
    known = {"product_id": product_id, "batch_id": issued.batch.batch_id, "index": "1"}
    statuses = dict[int, int]()
    for _ in range(REQUESTS):
        binding = random.choice(OURS)
        fields = [*binding.method.input_type.fields_by_name]
        path = path_of(binding, known, random.choice(TEXTS))
        asked = random.sample(fields, min(len(fields), random.randrange(3)))
        query = "&".join(f"{name}={quote(random.choice(TEXTS), safe='')}" for name in asked)
        body: Any = None
        if binding.has_body and random.random() < 0.3:
            body = random.choice(BODIES)
        elif binding.has_body:
            body = {name: random.choice(VALUES) for name in fields if random.random() < 0.5}
        kind = random.choice(TYPES)
        answer = partner(binding.verb, f"{path}?{query}", body, **{"content-type": kind})
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        assert answer.status < 500, f"{answer.status} for {binding}: {path[:200]} {query} {kind} {body!r}"
        assert answer.status < 400 or answer.reason in PROMISED
    assert statuses.keys() >= {200, 400, 404}, statuses
    assert rest("GET", f"/v1/scan/{issued.units[0].code}").body["verdict"] == "VERDICT_AUTHENTIC"


@pytest.mark.parametrize("binding", LISTINGS, ids=str)
def test_a_token_that_was_not_given_out_leads_nowhere_but_to_the_callers_own(
    rest: Rest, partner: Rest, rival_key: str, issued: Issued, binding: Binding
) -> None:
    product, moment = issued.product.product_id, issued.product.created_at.ToJsonString()
    half_a_pair = urlsafe_b64encode(rb'["sku", "\ud800", "%s"]' % product.encode()).decode()
    forged = [half_a_pair, "WyJcdWQ4MDAiXQ", "W1tbW1tb", encode_token(2**40), encode_token(product)]
    forged += [
        encode_token(moment, product),
        encode_token("created_at desc", "", product),
        encode_token("sku", "", product),
    ]
    ordered = "&order_by=sku" if binding.path == "/v1/products" else ""
    for token in forged:
        path = f"{path_of(binding, {'batch_id': issued.batch.batch_id})}?page_token={token}"
        for query in {"", ordered}:
            answer = partner(binding.verb, path + query)
            assert answer.status == 200 or answer.refusal.reason in {"INVALID_PAGE_TOKEN", "WEBHOOK_NOT_FOUND"}
            theirs = rest.with_key(rival_key)(binding.verb, path + query)
            assert product not in str(theirs.body)


def test_a_list_by_name_goes_on_behind_the_longest_name_in_any_script(partner: Rest) -> None:
    category = uuid4().hex
    names = sorted(letter * 255 for letter in ("a", "é", "中", "😀", '"'))
    for number, name in enumerate(names):
        made = {"sku": f"{category[:20]}-{number}", "name": name, "category": category}
        assert partner("POST", "/v1/products", made).status == 200
    listed, token = [], ""
    for _ in names:
        query = f"category={category}&order_by=name&page_size=1&page_token={token}"
        page = partner("GET", f"/v1/products?{query}").as_message(factory_pb2.ListProductsResponse)
        listed += [product.name for product in page.products]
        token = page.next_page_token
    assert sorted(listed) == names


@pytest.mark.parametrize("binding", TIMES, ids=str)
@pytest.mark.parametrize("end", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z"])
def test_the_ends_of_the_calendar_are_times_like_others(partner: Rest, binding: Binding, end: str) -> None:
    for query in (f"to_time={end}", f"from_time={end}", f"from_time={end}&to_time={end}"):
        answer = partner("GET", f"{binding.path}?{query}")
        assert answer.status == 200 or answer.refusal.reason == "INVALID_ARGUMENT"


@pytest.mark.parametrize("word", ["a" * 6000, "a" * 900_000, "é" * 20_000])
def test_a_refusal_repeats_no_more_of_a_request_than_gets_through(
    partner: Rest, channel: grpc.Channel, product_id: str, word: str
) -> None:
    asked = {"product": {"name": "y"}, "update_mask": word}
    assert partner("PATCH", f"/v1/products/{product_id}", asked).refusal.fields == ("update_mask",)
    stub = factory_pb2_grpc.FactoryServiceStub(channel)
    change = factory_pb2.UpdateProductRequest(
        product_id=product_id,
        product=factory_pb2.ProductChange(name="y"),
        update_mask=field_mask_pb2.FieldMask(paths=[word]),
    )
    hook = webhooks_pb2.CreateWebhookEndpointRequest(url="http://127.0.0.1:9/", events=[f"{'a' * len(word)}.b"])
    metadata = (("authorization", partner.headers["authorization"]),)
    for method, request in ((stub.UpdateProduct, change), (stub.CreateWebhookEndpoint, hook)):
        with pytest.raises(grpc.RpcError) as refused:
            method(request, metadata=metadata, timeout=10)
        assert refusal_of(refused.value).reason == "INVALID_ARGUMENT"


@pytest.mark.parametrize("name", ["descrição".encode("latin-1"), b"a\0b", b"\xed\xa0\x80", "\u202e".encode()])
def test_a_file_in_another_encoding_is_refused_by_its_column(
    partner: Rest, stack: LocalStack, product_id: str, name: bytes
) -> None:
    file = b"serial;" + name + b"\r\nA-1;x\r\n"
    refused = csv(partner, product_id, file)
    assert refused.refusal.reason == "INVALID_CSV"
    [info] = [detail for detail in refused.body["details"] if "import_id" in detail.get("metadata", {})]
    report = partner("GET", f"/v1/imports/{info['metadata']['import_id']}").as_message(imports_pb2.ImportReport)
    assert [(fault.line, fault.column) for fault in report.faults] == [(1, 2)]
    with (
        Client(partner.edge_url, api_key=stack.credentials["partner_api_key"] + "\n") as voketag,
        pytest.raises(errors.InvalidCsv, match="line 1, column 2"),
    ):
        voketag.batches.import_csv(product_id, file)


def test_an_export_with_names_of_its_own_among_the_partners_can_be_sent_back(partner: Rest, rest: Rest) -> None:
    made = partner("POST", "/v1/products", {"sku": f"BACK-{uuid4().hex[:8]}", "name": "x"})
    product, serial = made.body["product_id"], uuid4().hex
    names = ["index", "url", "state", "code", *[f"c{number}" for number in range(28)]]
    file = f"{','.join(['serial', *names])}\r\n={serial},{','.join(names)}\r\n"
    batch = csv(partner, product, file.encode()).body["batch_id"]
    export = wait_until(
        "the batch is issued", lambda: _if_200(partner("GET", f"/v1/batches/{batch}/export")), seconds=30, every=0.2
    )
    job = partner(
        "POST", "/v1/units/state/csv?state=UNIT_STATE_RECALLED", export.body.encode(), **{"content-type": "text/csv"}
    )
    path = f"/v1/units/state/jobs/{job.body['job_id']}"
    done = wait_until(
        "the job is done",
        lambda: (found := partner("GET", path).body).get("finished_at") and found,
        seconds=30,
        every=0.2,
    )
    assert (done["total"], done["changed"], done["missing"]) == (1, 1, [])
    unit = partner("GET", f"/v1/units?serial=%3D{serial}").as_message(factory_pb2.Unit)
    assert unit.attributes["code"] == "code"
    assert rest("GET", f"/v1/scan/{unit.code}").body["verdict"] == "VERDICT_RECALLED"


def test_what_breaks_off_leaves_nothing(partner: Rest, product_id: str) -> None:
    path, kind = f"/v1/batches/csv?product_id={product_id}".encode(), b"Content-Type: text/csv\r\n"
    cut, chunked = uuid4().hex.encode(), uuid4().hex.encode()
    raw(partner, b"POST %s HTTP/1.1\r\n\r\n%sContent-Length: 900\r\n\r\nserial\n%s\n" % (path, kind, cut), cut=True)
    raw(
        partner,
        b"POST %s HTTP/1.1\r\n\r\n%sTransfer-Encoding: chunked\r\n\r\n28\r\nserial\n%s\n\r\n" % (path, kind, chunked),
        cut=True,
    )
    for serial in (cut, chunked):
        assert partner("GET", f"/v1/units?serial={serial.decode()}").refusal.reason == "UNIT_NOT_FOUND"
    assert partner("GET", f"/v1/batches?product_id={product_id}").body["batches"] == []


def test_a_key_with_a_no_break_space_behind_it_works_and_is_in_no_log(partner: Rest) -> None:
    answer = raw(partner, b"GET /v1/products?page_size=1 HTTP/1.1\r\n\xa0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_old_version_of_http_is_refused_with_a_reason(partner: Rest) -> None:
    answer = raw(partner, b"GET /v1/products HTTP/1.0\r\n\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 426 ")
    assert b'"reason":"INVALID_ARGUMENT"' in answer


def _if_200(answer: Answer) -> Answer | None:
    return answer if answer.status == 200 else None
