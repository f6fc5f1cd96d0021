"""An Anchor server and worker as in production: real PostgreSQL, Valkey and anvil, and a Factory that takes notes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import grpc
import pytest

from deploy.local.anvil import CHAIN_ID, Anvil
from deploy.local.free_ports import take_port
from deploy.local.valkey import Valkey
from services.anchor.app import open_app
from services.anchor.chain import EvmChain
from services.anchor.contract.deploy import Deployment
from services.anchor.node import open_rpc
from services.anchor.settings import Settings, WorkerSettings
from services.anchor.signer import FileSigner
from services.anchor.worker_app import serve
from services.common.caller import Role
from tests.conftest import DatabaseUrl
from tests.rpc.anchor.recording_factory import RecordingFactory
from tests.rpc.calls import Client
from tests.rpc.conftest import TokenKeys
from tests.storage.anchor_chain.conftest import anvil, anvil_process, deployment, node, owner  # noqa: F401 - shared
from tests.storage.anchor_chain.development import CEILING_WEI, WRITER, write_key
from voketag.anchor.v1 import anchor_pb2_grpc

Worker = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture
def anchor_settings(
    database_url: DatabaseUrl,
    valkey: Valkey,
    token_keys: TokenKeys,
    anvil: Anvil,  # noqa: F811
    deployment: Deployment,  # noqa: F811
) -> Settings:
    """Settings of an Anchor server on a free port."""
    return Settings(
        listen="127.0.0.1:0",
        environment="local",
        database_url=database_url("voketag_anchor"),
        queue_url=valkey.url(0),
        token_public_keys=token_keys.public,
        stop_grace_seconds=0.1,
        chain_rpc_url=anvil.url,
        chain_id=CHAIN_ID,
        contract_address=deployment.contract_address,
        confirmations=2,
        verify_keep_seconds=0,
        verify_per_minute=0,
    )


@pytest.fixture
async def anchor_server(anchor_settings: Settings) -> AsyncIterator[str]:
    """The address of an Anchor server."""
    async with open_app(anchor_settings) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
async def anchor_as(anchor_server: str) -> AsyncIterator[Callable[..., Client]]:
    """Makes clients of the Anchor server: `anchor_as(credential)`."""
    async with grpc.aio.insecure_channel(anchor_server) as channel:
        stub = anchor_pb2_grpc.AnchorServiceStub(channel)
        yield lambda credential="": Client(stub, credential)


@pytest.fixture
def anchor(anchor_as: Callable[..., Client], token_keys: TokenKeys) -> Client:
    """Anchor, called by Factory."""
    return anchor_as(token_keys.service("factory", audience="anchor"))


@pytest.fixture
def operator(anchor_as: Callable[..., Client], token_keys: TokenKeys) -> Client:
    """Anchor, called by a person who may see and retry anchors."""
    return anchor_as(token_keys.user(role=Role.SUPER_ADMIN, tenant_id=None))


@pytest.fixture
def anybody(anchor_as: Callable[..., Client]) -> Client:
    """Anchor, called without credentials."""
    return anchor_as()


@pytest.fixture
async def chain(
    anvil: Anvil,  # noqa: F811
    deployment: Deployment,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[EvmChain]:
    """The contract as its writer sees it, beside the worker."""
    chain = EvmChain(
        rpc=await open_rpc(anvil.url),
        chain_id=CHAIN_ID,
        fee_ceiling_wei=CEILING_WEI,
        contract_address=deployment.contract_address,
        signer=FileSigner(write_key(tmp_path_factory.mktemp("writer"), WRITER)),
    )
    yield chain
    await chain.aclose()


@pytest.fixture
async def recording_factory(token_keys: TokenKeys) -> AsyncIterator[RecordingFactory]:
    """A Factory that takes outcomes and notes them."""
    factory = RecordingFactory(port=take_port(), public_keys=token_keys.public)
    await factory.start()
    yield factory
    await factory.stop()


@pytest.fixture
def worker_settings(
    anchor_settings: Settings, recording_factory: RecordingFactory, token_keys: TokenKeys, tmp_path: Path
) -> WorkerSettings:
    """Settings of a worker that signs for the contract's writer and does not dawdle."""
    return WorkerSettings(
        environment="local",
        database_url=anchor_settings.database_url,
        queue_url=anchor_settings.queue_url,
        service_key=token_keys.private / "service-anchor-1.pem",
        chain_rpc_url=anchor_settings.chain_rpc_url,
        chain_id=anchor_settings.chain_id,
        contract_address=anchor_settings.contract_address,
        confirmations=anchor_settings.confirmations,
        chain_key=write_key(tmp_path, WRITER),
        factory_address=recording_factory.address,
        aggregation_seconds=0.1,
        poll_seconds=0.1,
    )


@asynccontextmanager
async def running(settings: WorkerSettings) -> AsyncIterator[None]:
    """Run a worker inside the block."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(settings, stop))
        try:
            yield
        finally:
            stop.set()


@pytest.fixture
def worker(worker_settings: WorkerSettings) -> Worker:
    """Runs a worker: `async with worker():`."""
    return partial(running, worker_settings)
