"""Factory's server, its worker as a process of its own, and a real Anchor whose chain is away."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from deploy.local.free_ports import take_port
from deploy.local.postgres import Postgres
from deploy.local.valkey import Valkey
from services.anchor import app as anchor_app
from services.anchor.settings import Settings as AnchorSettings
from services.factory.settings import Settings
from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client
from tests.rpc.conftest import TokenKeys
from voketag.anchor.v1 import anchor_pb2_grpc
from voketag.factory.v1 import factory_pb2 as pb

LEASE_SECONDS = 2


@dataclass
class Worker:
    """A worker process: starts, stops, dies."""

    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.factory.worker"], env=self.environment, stderr=log
            )

    def children(self) -> list[int]:
        """Its processes."""
        assert self.process is not None
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def end(self, number: int) -> int:
        """Send a signal and wait; return the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.process = None
        return code

    def kill(self) -> None:
        """kill -9."""
        self.end(signal.SIGKILL)


@pytest.fixture
def worker(factory_settings: Settings, token_keys: TokenKeys, anchor_port: int, tmp_path: Path) -> Iterator[Worker]:
    """A worker that is not started yet; at the end it is stopped, and says so if it does not stop cleanly."""
    environment = {
        **os.environ,
        "VOKETAG_DATABASE_URL": factory_settings.database_url,
        "VOKETAG_QUEUE_URL": factory_settings.queue_url,
        "VOKETAG_UNIT_KEYS": str(factory_settings.unit_keys),
        "VOKETAG_SIGNING_KEY_ID": "1",
        "VOKETAG_ENVIRONMENT": "local",
        "VOKETAG_WEBHOOK_KEYS": str(factory_settings.webhook_keys),
        "VOKETAG_WEBHOOK_PRIVATE_TARGETS": "true",
        "VOKETAG_SERVICE_KEY": str(token_keys.private / "service-factory-1.pem"),
        "VOKETAG_ANCHOR_ADDRESS": f"127.0.0.1:{anchor_port}",
        "VOKETAG_LEASE_SECONDS": str(LEASE_SECONDS),
        "VOKETAG_SWEEP_SECONDS": "0.5",
    }
    made = Worker(environment, tmp_path / "worker.log")
    yield made
    if made.process is not None:
        assert made.end(signal.SIGTERM) == 0, made.log.read_text()


@pytest.fixture(scope="session")
def anchor_port() -> int:
    """Where Anchor is, when it is."""
    return take_port()


@pytest.fixture
def open_anchor(
    database_url: DatabaseUrl, valkey: Valkey, token_keys: TokenKeys, anchor_port: int
) -> Callable[[], AbstractAsyncContextManager[Client]]:
    """Starts Anchor: `async with open_anchor() as anchor`. It takes roots; its chain does not answer."""
    settings = AnchorSettings(
        listen=f"127.0.0.1:{anchor_port}",
        environment="local",
        database_url=database_url("voketag_anchor"),
        queue_url=valkey.url(0),
        token_public_keys=token_keys.public,
        stop_grace_seconds=0.1,
        chain_rpc_url="http://127.0.0.1:1",
        chain_id=31337,
        contract_address="0x" + "00" * 20,
    )

    @asynccontextmanager
    async def run() -> AsyncIterator[Client]:
        async with (
            anchor_app.open_app(settings) as server,
            grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            yield Client(anchor_pb2_grpc.AnchorServiceStub(channel), token_keys.service("factory", audience="anchor"))

    return run


@pytest.fixture
def as_anchor(factory_as: Callable[..., Client], token_keys: TokenKeys) -> Client:
    """Factory, called by Anchor."""
    return factory_as(token_keys.service("anchor", audience="factory"))


@pytest.fixture
def as_scan(factory_as: Callable[..., Client], token_keys: TokenKeys) -> Client:
    """Factory, called by Scan."""
    return factory_as(token_keys.service("scan", audience="factory"))


@pytest.fixture
async def product(factory: Client) -> pb.Product:
    """A product of Acme's."""
    return await factory.CreateProduct(pb.CreateProductRequest(sku="OIL-1", name="Olive oil", gtin="4006381333931"))


@pytest.fixture
def sql(postgres: Postgres, database_url: DatabaseUrl) -> Callable[[str], str]:
    """Runs a statement as superuser in the test's database."""
    name = database_url().rpartition("/")[2]
    return lambda statement: postgres.sql(statement, database=name)


async def reached(factory: Client, batch_id: str, *states: int, seconds: float = 30) -> pb.Batch:
    """Wait until a batch is in one of some states; say where it stands when it does not get there."""
    async with asyncio.timeout(seconds + 30):
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            batch = await factory.GetBatch(pb.GetBatchRequest(batch_id=batch_id))
            if batch.state in states:
                return batch
            assert asyncio.get_running_loop().time() < deadline, f"still {batch}"
            await asyncio.sleep(0.05)


async def order(factory: Client, product: pb.Product, quantity: int, **more: Any) -> pb.Batch:
    """Order a batch."""
    return await factory.CreateBatch(pb.CreateBatchRequest(product_id=product.product_id, quantity=quantity, **more))
