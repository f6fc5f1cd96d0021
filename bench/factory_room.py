"""A Factory of a benchmark's own: PostgreSQL, Valkey, keys, a tenant with a product, and a real worker process."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.free_ports import take_port
from deploy.local.postgres import Postgres
from deploy.local.valkey import Valkey
from services.common import unit_keys
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.queue import Queue
from services.common.settings import ProcessSettings
from services.factory.model.batches import Batch, BatchOrder, BatchState
from services.factory.model.products import NewProduct, ProductDetails
from services.factory.operations.batches import QUEUE_NAME, Batches
from services.factory.operations.products import Products
from services.factory.operations.signing_keys import ensure_signing_keys
from services.factory.operations.tenants import create_tenant
from services.factory.settings import Settings

KEY_ID = 1
SECRET = bytes(range(32))


@dataclass(frozen=True)
class Room:
    """What a benchmark works with."""

    folder: Path
    postgres: Postgres
    valkey: Valkey
    tenant_id: UUID
    product_id: UUID
    database: Database
    batches: Batches
    metrics_port: int

    async def order(self, quantity: int) -> Batch:
        """Order a batch, as CreateBatch does."""
        async with self.database.transaction() as tx:
            return await self.batches.create(tx, self.tenant_id, BatchOrder(self.product_id, quantity))

    async def issued(self, batch: Batch) -> Batch:
        """Wait until a batch has all of its units and its root."""
        while True:
            now = await self.batches.get(self.tenant_id, batch.batch_id)
            if now.state is BatchState.ANCHORING:
                return now
            if now.state not in {BatchState.PENDING, BatchState.ISSUING}:
                raise SystemExit(f"the batch is {now.state.name}: {now.error}; see {self.folder}/worker.log")
            await asyncio.sleep(0.05)  # looking costs milliseconds of the cores that are being measured

    async def warm(self) -> None:
        """Order small batches until the worker makes them by the fast derivation."""
        async with aiohttp.ClientSession() as session:
            for _ in range(600):
                await self.issued(await self.order(256))
                async with session.get(f"http://127.0.0.1:{self.metrics_port}/metrics") as answer:
                    if 'voketag_factory_units_made_total{derivation="lanes"}' in await answer.text():
                        return
                await asyncio.sleep(0.1)
        raise SystemExit(f"the fast derivation does not load; see {self.folder}/worker.log")

    @contextmanager
    def worker(self, *, processes: int) -> Iterator[int]:
        """Run a worker without an Anchor; yield its process id."""
        environment = {
            **os.environ,
            "VOKETAG_DATABASE_URL": self.postgres.url("voketag_factory"),
            "VOKETAG_QUEUE_URL": self.valkey.url(0),
            "VOKETAG_UNIT_KEYS": str(self.folder / "unit-keys"),
            "VOKETAG_WEBHOOK_KEYS": str(self.folder / "unit-keys"),  # no webhook is made here; the form is the same
            "VOKETAG_HOT_STATE_URL": self.valkey.url(1),
            "VOKETAG_SIGNING_KEY_ID": str(KEY_ID),
            "VOKETAG_SERVICE_KEY": str(self.folder / "tokens" / "service-factory-1.pem"),
            "VOKETAG_ANCHOR_ADDRESS": "127.0.0.1:1",
            "VOKETAG_ISSUE_PROCESSES": str(processes),
            "VOKETAG_METRICS_PORT": str(self.metrics_port),
        }
        with (
            (self.folder / "worker.log").open("w") as log,
            subprocess.Popen([sys.executable, "-m", "services.factory.worker"], env=environment, stderr=log) as process,
        ):
            try:
                yield process.pid
            finally:
                process.terminate()


@asynccontextmanager
async def open_room(folder: Path) -> AsyncIterator[Room]:
    """Start a room with its data in `folder`."""
    clock = SystemClock()
    _write_keys(folder)
    async with AsyncExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder))
        stack.callback(postgres.remove)
        valkey = stack.enter_context(Valkey(folder))
        await asyncio.to_thread(_migrate, postgres.url())
        settings = ProcessSettings(database_url=postgres.url("voketag_factory"))
        database = await stack.enter_async_context(aclosing(Database.open(settings)))
        queue = await stack.enter_async_context(aclosing(Queue(url=valkey.url(0), name=QUEUE_NAME)))
        await ensure_signing_keys(
            database=database, clock=clock, keys=unit_keys.load(folder / "unit-keys"), active=KEY_ID
        )
        tenant = await create_tenant(
            database=database, clock=clock, name="Acme", verification_base_url="https://v.example"
        )
        async with database.transaction() as tx:
            product = await Products(database=database, clock=clock).create(
                tx, tenant.tenant_id, NewProduct("A-1", ProductDetails("Oil", "4006381333931", "", "", (), "", {}))
            )
        yield Room(
            folder=folder,
            postgres=postgres,
            valkey=valkey,
            tenant_id=tenant.tenant_id,
            product_id=product.product_id,
            database=database,
            batches=Batches(database=database, queue=queue, signing_key_id=KEY_ID, chains=("main",)),
            metrics_port=take_port(),
        )


def server_settings(room: Room) -> Settings:
    """Return the settings of a Factory server on a free port."""
    return Settings(
        listen="127.0.0.1:0",
        environment="local",
        database_url=room.postgres.url("voketag_factory"),
        queue_url=room.valkey.url(0),
        hot_state_url=room.valkey.url(1),
        token_public_keys=room.folder / "public",
        unit_keys=room.folder / "unit-keys",
        signing_key_id=KEY_ID,
        webhook_keys=room.folder / "unit-keys",  # no webhook is made here; the form is the same
        statement_keys=room.folder / "tokens",  # any Ed25519 key does
        service_key=room.folder / "tokens" / "service-factory-1.pem",
        scan_address="127.0.0.1:1",
        log_calls=False,
    )


def _migrate(url: str) -> None:
    environment = {**os.environ, "VOKETAG_DATABASE_URL": url}
    subprocess.run([sys.executable, "-m", "services.migrations", "upgrade"], env=environment, check=True)


def _write_keys(folder: Path) -> None:
    """Write a signing key, and the token keys of Factory and Scan."""
    (folder / "unit-keys").mkdir()
    (folder / "unit-keys" / f"{KEY_ID}.key").write_text(SECRET.hex())
    (folder / "tokens").mkdir()
    (folder / "public").mkdir()
    for kid in ("service-factory-1", "service-scan-1"):
        key = Ed25519PrivateKey.generate()
        (folder / "tokens" / f"{kid}.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (folder / "public" / f"{kid}.pem").write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
