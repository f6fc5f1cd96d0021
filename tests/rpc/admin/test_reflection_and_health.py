"""What an operator sees with grpcurl: one address lists all four contracts, and says that it serves."""

from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.admin.app import open_app
from services.admin.settings import Settings
from tests.conftest import DatabaseUrl
from tests.rpc.conftest import TokenKeys


def settings_of(database_url: DatabaseUrl, token_keys: TokenKeys, *, reflection: bool) -> Settings:
    return Settings(
        listen="127.0.0.1:0",
        database_url=database_url("voketag_admin"),
        token_public_keys=token_keys.public,
        user_token_key=token_keys.private / "user-1.pem",
        stop_grace_seconds=0.1,
        reflection=reflection,
    )


@pytest.fixture
async def channel(database_url: DatabaseUrl, token_keys: TokenKeys) -> AsyncIterator[grpc.aio.Channel]:
    async with (
        open_app(settings_of(database_url, token_keys, reflection=True)) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened,
    ):
        yield opened


async def list_services(channel: grpc.aio.Channel) -> set[str]:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    async for answer in stub.ServerReflectionInfo(iter([request])):
        return {service.name for service in answer.list_services_response.service}
    raise AssertionError("no answer")


async def test_reflection_lists_the_contracts_of_all_four_services(channel: grpc.aio.Channel) -> None:
    listed = await list_services(channel)
    assert {f"voketag.{room}.v1.{room.title()}Service" for room in ("admin", "anchor", "factory", "scan")} <= listed


@pytest.mark.parametrize(
    ("symbol", "file"),
    [
        ("voketag.admin.v1.AdminService", "voketag/admin/v1/admin.proto"),
        ("voketag.admin.v1.AdminService.Login", "voketag/admin/v1/admin.proto"),
        ("voketag.anchor.v1.AnchorService.VerifyBatch", "voketag/anchor/v1/anchor.proto"),
        ("voketag.scan.v1.ScanRequest", "voketag/scan/v1/scan.proto"),
        ("voketag.scan.v1.ScanService.Nothing", None),
        ("nothing", None),
    ],
)
async def test_reflection_finds_the_file_of_a_symbol(channel: grpc.aio.Channel, symbol: str, file: str | None) -> None:
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
    async for answer in reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request])):
        found = answer.file_descriptor_response.file_descriptor_proto
        assert [descriptor_pb2.FileDescriptorProto.FromString(each).name for each in found][:1] == (
            [file] if file else []
        )
        assert answer.HasField("error_response") == (file is None)


async def test_reflection_can_be_turned_off(database_url: DatabaseUrl, token_keys: TokenKeys) -> None:
    async with (
        open_app(settings_of(database_url, token_keys, reflection=False)) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as opened,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await list_services(opened)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("service", ["", "voketag.admin.v1.AdminService"])
async def test_a_started_server_says_that_it_serves(channel: grpc.aio.Channel, service: str) -> None:
    answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
