"""Every method of the contracts has its way through the edge, over gRPC and in every REST form that it declares."""

import re

import grpc
import pytest

from services.common.rpc.methods import Method, methods_of
from tests.e2e.conftest import Issued
from tests.e2e.edge import NO_SUCH_ID, SERVICES, UNKNOWN_CODE, Binding, Rest, bindings, refusal_of
from tests.e2e.faults import wait_until

OVER_BOTH_TRANSPORTS = True

METHODS = [method for service in SERVICES for method in methods_of(service)]
BY_NAME = {method.name: method for method in METHODS}
# The paths that programs outside this project use (contracts.md). Later contracts add to them; none may go or change.
FIXED = """
    GET /v1/scan/{code}  GET /v1/scan  POST /v1/scan  GET /r/{code}  GET /v1/scan/{code}/receipt
    GET /v1/health  GET /v1/ready
    POST /v1/products  GET /v1/products  GET /v1/products/{product_id}  PATCH /v1/products/{product_id}
    DELETE /v1/products/{product_id}
    POST /v1/batches  GET /v1/batches  GET /v1/batches/{batch_id}  POST /v1/batches/{batch_id}/retry
    POST /v1/batches/{batch_id}/cancel  GET /v1/batches/{batch_id}/units  GET /v1/batches/{batch_id}/export
    GET /v1/batches/{batch_id}/units/{index}/qr
    POST /v1/units/{unit_id}/state
    POST /v1/api-keys  GET /v1/api-keys  POST /v1/api-keys/{key_id}/rotate  DELETE /v1/api-keys/{key_id}
    POST /v1/anchor  GET /v1/anchor/{batch_id}  GET /v1/anchors  POST /v1/anchor/{anchor_id}/retry
    GET /v1/verify/{batch_id}  POST /v1/verify/proof  GET /v1/verify/transaction/{tx_id}  GET /v1/chain
    POST /v1/admin/auth/login
"""
VALUES = {"code": UNKNOWN_CODE, "index": "0", "unit_id": "1", "key_id": "a" * 16, "tx_id": f"0x{'00' * 32}"}


@pytest.fixture(scope="module", autouse=True)
def begun_ledger(rest: Rest, issued: Issued) -> None:
    """The ledger has its first checkpoint with the first scan."""
    rest("GET", f"/v1/scan/{issued.units[0].code}")
    wait_until("a checkpoint", lambda: rest("GET", "/v1/ledger/checkpoint").status == 200, seconds=10)


@pytest.fixture(scope="module", autouse=True)
def ledger_with_an_entry(rest: Rest, issued: Issued) -> None:
    """The ledger's methods say UNAVAILABLE before the first scan."""
    rest("GET", f"/v1/scan/{issued.units[0].code}")
    wait_until("a checkpoint", lambda: rest("GET", "/v1/ledger/checkpoint").status == 200, seconds=15)


def test_the_paths_that_others_rely_on_are_there() -> None:
    assert set(re.findall(r"[A-Z]+ \S+", FIXED)) <= {str(binding) for binding in bindings()}


@pytest.mark.parametrize("binding", bindings(), ids=str)
def test_a_rest_form_reaches_its_method_which_asks_who_calls_unless_it_is_public(rest: Rest, binding: Binding) -> None:
    path = re.sub(r"\{(\w+)\}", lambda found: VALUES.get(found[1], NO_SUCH_ID), binding.path)
    answer = rest(binding.verb, path, {} if binding.has_body else None)
    if not _rule_is_public(binding):
        assert answer.refusal.reason == "UNAUTHENTICATED"
    elif answer.headers["content-type"] == "application/json" and answer.status != 200:
        assert answer.refusal.reason not in {"METHOD_NOT_FOUND", "UNAUTHENTICATED", "UNAVAILABLE"}
    else:
        assert answer.status in {200, 400, 404}, "the page of an unknown code, or of half a report, is a page, too"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_grpc_reaches_every_method_which_asks_who_calls_unless_it_is_public(
    channel: grpc.Channel, method: Method
) -> None:
    path = f"/{method.name}"
    try:
        if method.client_streaming:
            answer = channel.stream_unary(path)(iter([b""]), timeout=10)
        else:
            call = channel.unary_stream(path) if method.server_streaming else channel.unary_unary(path)
            answer = call(b"", timeout=10)
        assert list(answer) if method.server_streaming else isinstance(answer, bytes)
        reason = ""
    except grpc.RpcError as error:
        reason = refusal_of(error).reason
    if method.rule.public:
        assert reason not in {"METHOD_NOT_FOUND", "UNAUTHENTICATED", "UNAVAILABLE"}
    else:
        assert reason == "UNAUTHENTICATED"


def _rule_is_public(binding: Binding) -> bool:
    service, method = binding.method.containing_service.full_name, binding.method.name
    return BY_NAME[f"{service}/{method}"].rule.public
