"""The edge as clients meet it: REST and gRPC on one port, and errors in one form, also where Envoy itself refuses."""

import json
import re
import time
import urllib.request
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from deploy.local.stack import LocalStack
from tests.e2e.conftest import Issued
from tests.e2e.edge import UNKNOWN_CODE, Rest, refusal_of
from voketag.factory.v1 import factory_pb2, factory_pb2_grpc
from voketag.scan.v1 import scan_pb2, scan_pb2_grpc

OVER_BOTH_TRANSPORTS = True


def test_json_keeps_the_contracts_names_and_prints_zero_values(rest: Rest, stack: LocalStack) -> None:
    key = stack.credentials["partner_api_key"]
    answer = rest("GET", "/v1/products", authorization=f"Bearer {key}")
    assert answer.status == 200
    assert {"products", "next_page_token"} <= set(answer.body)


def test_an_error_of_a_service_keeps_its_details_over_rest(rest: Rest) -> None:
    answer = rest("GET", f"/v1/scan/{UNKNOWN_CODE}")
    assert (answer.status, answer.body["code"], answer.reason) == (404, 5, "UNKNOWN_CODE")


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/v1/nothing-here", None, (404, 5, "METHOD_NOT_FOUND")),
        ("PUT", "/v1/scan", b"{}", (404, 5, "METHOD_NOT_FOUND")),
        ("GET", "/voketag.scan.v1.ScanService/Scan", None, (404, 5, "METHOD_NOT_FOUND")),
        ("GET", f"/v1/scan?code={UNKNOWN_CODE}&surprise=1", None, (400, 3, "INVALID_ARGUMENT")),
        ("POST", "/v1/scan", b'{"code": ', (400, 3, "INVALID_ARGUMENT")),
        ("POST", "/v1/scan", b'{"code": {"a": 1}}', (400, 3, "INVALID_ARGUMENT")),
        ("POST", "/v1/scan", b"[]", (400, 3, "INVALID_ARGUMENT")),
        ("POST", "/v1/scan", b'{"code": "%s"}' % (b"A" * 20_000), (413, 8, "REQUEST_TOO_LARGE")),
        ("GET", "/v1/scan/%F0%9F", None, (400, 3, "INVALID_ARGUMENT")),
        ("GET", "/v1/scan/a%2Fb", None, (400, 3, "MALFORMED_CODE")),
        ("POST", "/v1/scan", b"", (400, 3, "MALFORMED_CODE")),
        ("GET", "/v1/products", None, (401, 16, "UNAUTHENTICATED")),
        ("GET", "/v1/products?page_size=many", None, (400, 3, "INVALID_ARGUMENT")),
    ],
)
def test_what_the_edge_refuses_has_the_contracts_form(
    rest: Rest, method: str, path: str, body: bytes | None, expected: tuple[int, int, str]
) -> None:
    answer = rest(method, path, body, **{"content-type": "application/json"})
    assert (answer.status, answer.body["code"], answer.reason) == expected
    assert answer.body["message"]
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/scan", {"code": "A" * 15_000}, 400),
        ("/v1/scan", {"code": "A" * 17_000}, 413),
        ("/v1/report", {"code": UNKNOWN_CODE, "reason": "other", "details": "\U0001f6d1" * 2_000}, 404),
        ("/v1/report", {"code": UNKNOWN_CODE, "reason": "other", "details": "A" * 66_000}, 413),
        ("/v1/products", {"description": "A" * 1_000_000}, 401),
        ("/v1/products", {"description": "A" * 1_100_000}, 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_strangers_cannot_make_the_edge_hold_much(rest: Rest, path: str, body: dict[str, str], status: int) -> None:
    answer = rest("POST", path, body)
    assert (answer.status, answer.reason == "REQUEST_TOO_LARGE") == (status, status == 413)


def test_a_form_that_is_too_large_is_refused_with_a_page(rest: Rest) -> None:
    answer = rest("POST", f"/r/{UNKNOWN_CODE}/report", {"form": "A" * 66_000})
    assert (answer.status, answer.headers["content-type"]) == (413, "text/html; charset=utf-8")


def test_over_grpc_the_limits_are_the_same(channel: grpc.Channel) -> None:
    stub = scan_pb2_grpc.ScanServiceStub(channel)
    with pytest.raises(grpc.RpcError) as refused:
        stub.Scan(scan_pb2.ScanRequest(code="A" * 17_000), timeout=10)
    assert refusal_of(refused.value).reason == "REQUEST_TOO_LARGE"
    with pytest.raises(grpc.RpcError) as refused:
        stub.Scan(scan_pb2.ScanRequest(code="A" * 15_000), timeout=10)
    assert refusal_of(refused.value).reason == "MALFORMED_CODE"


def test_head_of_a_page_finds_one_and_is_no_scan(rest: Rest, issued: Issued) -> None:
    code = issued.units[3].code
    before = rest("GET", f"/v1/scan/{code}").body["history"]["total_scans"]
    for each in (code, UNKNOWN_CODE):
        answer = rest("HEAD", f"/r/{each}?utm_source=chat")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert not answer.body
    after = rest("GET", f"/v1/scan/{code}").body["history"]["total_scans"]
    assert int(after) == int(before) + 1


def test_headers_beyond_the_limit_are_refused(rest: Rest) -> None:
    answer = rest("GET", "/v1/health", **{"x-much": "a" * 40_000})
    assert (answer.status, answer.reason) == (431, "REQUEST_TOO_LARGE")


def test_a_shared_link_to_the_page_may_carry_any_query(rest: Rest) -> None:
    answer = rest("GET", f"/r/{UNKNOWN_CODE}?utm_source=chat&fbclid=1", accept="text/html")
    assert answer.headers["content-type"].startswith("text/html")
    assert "<html" in answer.body


def test_grpc_and_health_pass_on_the_same_port(channel: grpc.Channel) -> None:
    assert scan_pb2_grpc.ScanServiceStub(channel).Health(scan_pb2.HealthRequest(), timeout=5).status == "ok"
    check = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    assert check(health_pb2.HealthCheckRequest(), timeout=5).status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_answers_for_all_four_services(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(iter(stub.ServerReflectionInfo(iter([request]), timeout=5)))
    names = {service.name for service in answer.list_services_response.service}
    assert {f"voketag.{room.lower()}.v1.{room}Service" for room in ("Scan", "Factory", "Admin", "Anchor")} <= names


def test_a_method_that_no_service_has_is_unimplemented_over_grpc(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/voketag.nothing.v1.NothingService/Nothing")
    with pytest.raises(grpc.RpcError) as refused:
        call(b"", timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert refusal_of(refused.value).reason == "METHOD_NOT_FOUND"


def test_no_answer_of_a_service_is_kept_framed_or_guessed_at(rest: Rest) -> None:
    for path in ("/v1/health", f"/v1/scan/{'A' * 20}", f"/r/{'A' * 20}"):
        headers = rest("GET", path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


def test_the_request_id_of_the_client_comes_back(rest: Rest) -> None:
    assert rest("GET", "/v1/health", **{"x-request-id": "mine-0001"}).headers["x-request-id"] == "mine-0001"
    assert re.fullmatch(r"[0-9a-f-]{36}", rest("GET", "/v1/health").headers["x-request-id"])


def test_the_access_log_has_the_address_behind_one_trusted_hop_and_no_codes(rest: Rest, stack: LocalStack) -> None:
    headers = {"x-forwarded-for": "6.6.6.6, 203.0.113.9", "x-client-address": "6.6.6.6", "x-request-id": "hop-test"}
    rest("GET", f"/v1/scan/{UNKNOWN_CODE}", **headers)
    line = _access_log_line(stack, "hop-test")
    assert line["client_address"] == "203.0.113.9"
    assert (line["method"], line["status"]) == ("/voketag.scan.v1.ScanService/Scan", 404)
    assert UNKNOWN_CODE not in json.dumps(line)


def test_a_stream_passes_and_a_partners_key_is_needed(channel: grpc.Channel) -> None:
    watch = factory_pb2_grpc.FactoryServiceStub(channel).WatchBatch(factory_pb2.WatchBatchRequest(), timeout=5)
    with pytest.raises(grpc.RpcError) as refused:
        next(iter(watch))
    assert refusal_of(refused.value).reason == "UNAUTHENTICATED"


def _access_log_line(stack: LocalStack, request_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 15  # Envoy writes its log out every ten seconds
    while time.monotonic() < deadline:
        for line in (stack.logs / "access.log").read_text().splitlines():
            entry: dict[str, Any] = json.loads(line)
            if entry["request_id"] == request_id:
                return entry
        time.sleep(0.2)
    raise AssertionError(f"no line of {request_id} in the access log")


def test_who_speaks_grpc_reaches_grpc_whatever_it_says_of_itself(channel: grpc.Channel, stack: LocalStack) -> None:
    before = _calls(stack, "scan-http")
    stub = scan_pb2_grpc.ScanServiceStub(channel)
    for note in ((), (("x-envoy-original-path", "/v1/health"), ("x-envoy-original-method", "GET"))):
        assert stub.Health(scan_pb2.HealthRequest(), timeout=5, metadata=note).status == "ok"
    assert _calls(stack, "scan-http") == before


def test_what_comes_as_rest_takes_the_way_that_it_should(rest: Rest, stack: LocalStack, transport: str) -> None:
    before = _calls(stack, "scan-http")
    assert rest("GET", "/v1/health").status == 200
    assert _calls(stack, "scan-http") - before == (transport == "http/1.1")


def _calls(stack: LocalStack, cluster: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.ports['edge-admin']}/clusters", timeout=5) as answer:
        return sum(map(int, re.findall(rf"^{cluster}::.*::rq_total::(\d+)$", answer.read().decode(), re.MULTILINE)))
