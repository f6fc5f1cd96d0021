"""gRPC through the edge, on the port of REST: streams, reflection, and the switch that turns reflection off."""

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from deploy.envoy.settings import EnvoySettings
from deploy.local.envoy import envoy
from deploy.local.free_ports import take_port
from deploy.local.stack import LocalStack
from tests.e2e.conftest import Issued
from tests.e2e.edge import NO_SUCH_ID, SERVICES, Rest, refusal_of
from voketag.factory.v1 import factory_pb2, factory_pb2_grpc
from voketag.scan.v1 import scan_pb2, scan_pb2_grpc


@pytest.fixture
def factory(channel: grpc.Channel) -> factory_pb2_grpc.FactoryServiceStub:
    return factory_pb2_grpc.FactoryServiceStub(channel)


@pytest.fixture
def as_partner(stack: LocalStack) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {stack.credentials['partner_api_key']}"),)


def test_a_batch_is_watched_from_its_order_to_the_chain(
    factory: factory_pb2_grpc.FactoryServiceStub, as_partner: tuple[tuple[str, str], ...], issued: Issued
) -> None:
    order = factory_pb2.CreateBatchRequest(product_id=issued.product.product_id, quantity=2_000)
    batch = factory.CreateBatch(order, timeout=10, metadata=as_partner)
    request = factory_pb2.WatchBatchRequest(batch_id=batch.batch_id)
    seen = list(factory.WatchBatch(request, timeout=60, metadata=as_partner))
    assert [each.state for each in seen] == sorted(each.state for each in seen)
    assert seen[-1].state == factory_pb2.BATCH_STATE_COMPLETED
    assert len({each.state for each in seen}) > 1, "a stream that is held back would show the end only"
    assert seen[-1].issued_count == 2_000
    again = list(factory.WatchBatch(request, timeout=10, metadata=as_partner))
    assert again == [seen[-1]], "a final batch is sent once"


def test_a_stream_brings_what_is_there_before_it_ends(
    factory: factory_pb2_grpc.FactoryServiceStub, as_partner: tuple[tuple[str, str], ...], issued: Issued
) -> None:
    order = factory_pb2.CreateBatchRequest(product_id=issued.product.product_id, quantity=100)
    batch = factory.CreateBatch(order, timeout=10, metadata=as_partner)
    request = factory_pb2.WatchBatchRequest(batch_id=batch.batch_id)
    began = time.monotonic()
    watching = factory.WatchBatch(request, timeout=60, metadata=as_partner)
    assert next(watching).batch_id == batch.batch_id
    assert time.monotonic() - began < 5
    watching.cancel()


def test_a_stream_of_nothing_is_not_found(
    factory: factory_pb2_grpc.FactoryServiceStub, as_partner: tuple[tuple[str, str], ...]
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        list(factory.WatchBatch(factory_pb2.WatchBatchRequest(batch_id=NO_SUCH_ID), timeout=5, metadata=as_partner))
    assert refusal_of(refused.value).reason == "BATCH_NOT_FOUND"


def test_an_export_streams_the_same_over_grpc_and_rest(
    factory: factory_pb2_grpc.FactoryServiceStub,
    as_partner: tuple[tuple[str, str], ...],
    partner: Rest,
    issued: Issued,
) -> None:
    request = factory_pb2.ExportUnitsRequest(batch_id=issued.batch.batch_id)
    streamed = b"".join(each.data for each in factory.ExportUnits(request, timeout=10, metadata=as_partner))
    assert streamed.decode() == partner("GET", f"/v1/batches/{issued.batch.batch_id}/export").body


def test_grpc_and_rest_tell_the_same(channel: grpc.Channel, rest: Rest, issued: Issued) -> None:
    code = issued.units[1].code
    over_grpc = scan_pb2_grpc.ScanServiceStub(channel).Scan(scan_pb2.ScanRequest(code=code), timeout=10)
    over_rest = rest("GET", f"/v1/scan/{code}").as_message(scan_pb2.ScanResponse)
    assert (over_rest.product, over_rest.batch, over_rest.unit) == (over_grpc.product, over_grpc.batch, over_grpc.unit)
    assert over_rest.history.total_scans == over_grpc.history.total_scans + 1
    assert over_rest.history.first_scan_at == over_grpc.history.first_scan_at


def test_health_is_asked_and_watched(channel: grpc.Channel) -> None:
    stub, serving = health_pb2_grpc.HealthStub(channel), health_pb2.HealthCheckResponse.SERVING
    assert stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status == serving
    watching = stub.Watch(health_pb2.HealthCheckRequest(), timeout=5)
    assert next(watching).status == serving
    watching.cancel()


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.full_name)
def test_reflection_describes_every_service_as_its_contract_does(channel: grpc.Channel, service: object) -> None:
    full_name: str = getattr(service, "full_name")  # noqa: B009
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=full_name)
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    answer = next(iter(stub.ServerReflectionInfo(iter([request]), timeout=5)))
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(file)
        for file in answer.file_descriptor_response.file_descriptor_proto
    ]
    own = next(file for file in files if full_name.startswith(file.package + ".") and file.service)
    expected = descriptor_pb2.FileDescriptorProto()
    service.file.CopyToProto(expected)  # type: ignore[attr-defined]
    assert own == expected


@pytest.fixture
def closed_edge(stack: LocalStack, folder: Path) -> Iterator[grpc.Channel]:
    """Another edge in front of the same services, with reflection turned off."""
    settings = EnvoySettings(
        endpoints={room: [address] for room, address in stack.credentials["grpc"].items()},
        access_log=folder / "access.log",
        listen_port=take_port(),
        admin_port=take_port(),
        reflection=False,
    )
    with (
        envoy(settings, folder=folder, log_file=folder / "envoy.log"),
        grpc.insecure_channel(f"127.0.0.1:{settings.listen_port}") as opened,
    ):
        yield opened


def test_an_edge_without_reflection_has_no_such_method_and_serves_the_rest(closed_edge: grpc.Channel) -> None:
    health = scan_pb2_grpc.ScanServiceStub(closed_edge).Health(scan_pb2.HealthRequest(), timeout=10)
    assert health.status == "ok"
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with pytest.raises(grpc.RpcError) as refused:
        list(reflection_pb2_grpc.ServerReflectionStub(closed_edge).ServerReflectionInfo(iter([request]), timeout=5))
    assert refusal_of(refused.value).reason == "METHOD_NOT_FOUND"
