"""Who is believed at the edge: closed methods stay closed, and nobody chooses an address."""

from collections.abc import Mapping
from typing import Any

import grpc
import pytest

from deploy.local.stack import LocalStack
from services.common.caller import CallerKind
from services.common.rpc.methods import Method, methods_of
from tests.e2e.conftest import Issued
from tests.e2e.edge import SERVICES, Rest, refusal_of
from voketag.scan.v1 import scan_pb2, scan_pb2_grpc

OVER_BOTH_TRANSPORTS = True

NO_PARTNERS = [
    method
    for service in SERVICES
    for method in methods_of(service)
    if not method.rule.public and CallerKind.API_KEY not in method.rule.callers
]

SERVICES_ONLY = [method for method in NO_PARTNERS if CallerKind.USER not in method.rule.callers]


def call(channel: grpc.Channel, method: Method, credential: str) -> None:
    metadata = (("authorization", f"Bearer {credential}"),) if credential else ()
    channel.unary_unary(f"/{method.name}")(b"", timeout=10, metadata=metadata)


def test_what_is_not_for_partners_is_what_we_mean() -> None:
    names = {method.name.rpartition("/")[2] for method in NO_PARTNERS}
    assert names >= {"SubmitAnchor", "RetryAnchor", "ListAnchors", "ReportAnchorOutcome", "GetUnitProof"}
    assert {method.name.rpartition("/")[2] for method in SERVICES_ONLY} == {
        "GetUnitProof",
        "NoteUnitEvents",
        "ReportAnchorOutcome",
    }


@pytest.mark.parametrize("method", NO_PARTNERS, ids=lambda method: method.name)
def test_strangers_and_partners_are_refused_what_is_not_for_them(
    channel: grpc.Channel, stack: LocalStack, method: Method
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        call(channel, method, "")
    assert refusal_of(refused.value).reason == "UNAUTHENTICATED"
    with pytest.raises(grpc.RpcError) as refused:
        call(channel, method, stack.credentials["partner_api_key"])
    # Anchor knows no API keys at all; Factory knows this one, and that it may not.
    expected = "PERMISSION_DENIED" if ".factory." in method.name else "UNAUTHENTICATED"
    assert refusal_of(refused.value).reason == expected


@pytest.mark.parametrize("method", SERVICES_ONLY, ids=lambda method: method.name)
def test_what_is_for_services_alone_is_refused_to_the_operator_too(
    channel: grpc.Channel, operator_token: str, method: Method
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        call(channel, method, operator_token)
    assert refusal_of(refused.value).reason == "PERMISSION_DENIED"


class Scans:
    """Scans of one unit, and what the books say of the address that each came from."""

    def __init__(self, stack: LocalStack, rest: Rest, channel: grpc.Channel, code: str) -> None:
        self._stack, self._rest, self._channel, self._code = stack, rest, channel, code

    def address_hash(self, **headers: str) -> str:
        """Scan over REST and return the hash of the address that was recorded."""
        return self._recorded(self._rest("GET", f"/v1/scan/{self._code}", **headers).body["verification_id"])

    def address_hash_over_grpc(self, *metadata: tuple[str, str]) -> str:
        """Scan over gRPC and return the same."""
        stub = scan_pb2_grpc.ScanServiceStub(self._channel)
        answer = stub.Scan(scan_pb2.ScanRequest(code=self._code), timeout=10, metadata=metadata)
        return self._recorded(answer.verification_id)

    def _recorded(self, verification_id: str) -> str:
        where = f"verification_id = '{verification_id}'"
        found = self._stack.sql(f"SELECT encode(address_hash, 'hex') FROM scan.scan_events WHERE {where}")  # noqa: S608
        assert len(found) == 32
        return found


@pytest.fixture
def scans(stack: LocalStack, rest: Rest, channel: grpc.Channel, issued: Issued) -> Scans:
    return Scans(stack, rest, channel, issued.units[4].code)


def test_the_address_is_what_the_one_trusted_proxy_saw(scans: Scans) -> None:
    direct = scans.address_hash()
    client = scans.address_hash(**{"x-forwarded-for": "203.0.113.9"})
    assert client not in {direct, scans.address_hash(**{"x-forwarded-for": "203.0.113.10"})}
    assert scans.address_hash(**{"x-forwarded-for": "203.0.113.9"}) == client


@pytest.mark.parametrize(
    "headers",
    [
        {"x-client-address": "6.6.6.6"},
        {"x-forwarded-for": "6.6.6.6, 203.0.113.9"},
        {"x-forwarded-for": "6.6.6.6, 7.7.7.7, 203.0.113.9", "x-client-address": "6.6.6.6"},
        {"x-envoy-external-address": "6.6.6.6", "x-real-ip": "6.6.6.6", "forwarded": "for=6.6.6.6"},
        {"x-client-address": "203.0.113.9', '6.6.6.6"},
    ],
)
def test_a_client_cannot_choose_its_address(scans: Scans, headers: Mapping[str, Any]) -> None:
    honest = {"x-forwarded-for": "203.0.113.9"}
    expected = scans.address_hash(**honest)
    assert scans.address_hash(**{**honest, **headers}) == expected
    metadata = tuple({**honest, **headers}.items())
    assert scans.address_hash_over_grpc(*metadata) == expected
    assert scans.address_hash_over_grpc(*metadata, ("x-client-address", "6.6.6.7")) == expected


def test_without_a_proxy_the_address_is_the_connections(scans: Scans) -> None:
    direct = scans.address_hash()
    assert scans.address_hash(**{"x-client-address": "6.6.6.6"}) == direct
    assert scans.address_hash(**{"x-forwarded-for": "nobody's address"}) == direct
