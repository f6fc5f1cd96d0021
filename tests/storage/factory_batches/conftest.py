"""A tenant with a product, who orders batches, and the parts of the worker that issue them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from deploy.local.valkey import Valkey
from services.common import unit_keys
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.queue import Queue
from services.factory.minting_pool import MintingPool
from services.factory.model.batches import Batch, BatchOrder
from services.factory.model.issuing import Claim
from services.factory.model.products import NewProduct, ProductDetails
from services.factory.operations.batches import QUEUE_NAME, Batches
from services.factory.operations.claims import Claims
from services.factory.operations.issuing import Issuer
from services.factory.operations.products import Products
from services.factory.operations.signing_keys import ensure_signing_keys
from services.factory.operations.tenants import create_tenant
from tests.conftest import DatabaseUrl

SECRET = bytes(range(32))
KEY_ID = 1


@dataclass(frozen=True)
class Shop:
    """A tenant's product and what can be done with its batches."""

    database: Database
    tenant_id: UUID
    product_id: UUID
    products: Products
    batches: Batches
    claims: Claims
    issuer: Issuer

    async def order(self, quantity: int, **more: Any) -> Batch:
        """Order a batch."""
        async with self.database.transaction() as tx:
            order = BatchOrder(product_id=self.product_id, quantity=quantity, **more)
            return await self.batches.create(tx, self.tenant_id, order)

    async def read(self, batch: Batch) -> Batch:
        """Return a batch as it stands now."""
        return await self.batches.get(self.tenant_id, batch.batch_id)

    async def take(self, batch: Batch) -> Claim:
        """Take a batch that is due; other due ones are taken on the way and kept."""
        while (claim := await self.claims.take()) is not None:
            if claim.batch.batch_id == batch.batch_id:
                return claim
        raise AssertionError("the batch is not due")

    async def issued(self, quantity: int, **more: Any) -> Batch:
        """Order a batch and issue it."""
        batch = await self.order(quantity, **more)
        await self.issuer.issue(await self.take(batch))
        return await self.read(batch)

    async def retry(self, batch: Batch) -> Batch:
        """Let a stopped batch go on."""
        async with self.database.transaction() as tx:
            return await self.batches.retry(tx, self.tenant_id, batch.batch_id)

    async def pause(self, batch: Batch) -> Batch:
        """Pause a batch."""
        async with self.database.transaction() as tx:
            return await self.batches.pause(tx, self.tenant_id, batch.batch_id)

    async def resume(self, batch: Batch) -> Batch:
        """Let a paused batch go on."""
        async with self.database.transaction() as tx:
            return await self.batches.resume(tx, self.tenant_id, batch.batch_id)

    async def neighbour(self) -> "Shop":
        """Return another tenant with a product, on the same platform."""
        tenant, product = await _tenant_with_product(self.database, self.products)
        return replace(self, tenant_id=tenant, product_id=product)

    async def cancel(self, batch: Batch) -> Batch:
        """Cancel a batch."""
        async with self.database.transaction() as tx:
            return await self.batches.cancel(tx, self.tenant_id, batch.batch_id)


@pytest.fixture(scope="session")
def keys_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with signing key 1."""
    folder = tmp_path_factory.mktemp("unit-keys")
    (folder / f"{KEY_ID}.key").write_text(SECRET.hex())
    return folder


@pytest.fixture(scope="session")
def minter(keys_folder: Path) -> Iterator[MintingPool]:
    """The processes that make chunks, shared by all tests: starting them takes longer than most tests."""
    pool = MintingPool(processes=2, keys_folder=keys_folder)
    yield pool
    pool.shutdown()


@pytest.fixture
async def shop(
    factory_database: Database, valkey: Valkey, keys_folder: Path, minter: MintingPool
) -> AsyncIterator[Shop]:
    """A tenant with a product."""
    clock = SystemClock()
    await ensure_signing_keys(database=factory_database, clock=clock, keys=unit_keys.load(keys_folder), active=KEY_ID)
    products = Products(database=factory_database, clock=clock)
    tenant_id, product_id = await _tenant_with_product(factory_database, products)
    async with aclosing(Queue(url=valkey.url(), name=QUEUE_NAME)) as queue:
        yield Shop(
            database=factory_database,
            tenant_id=tenant_id,
            product_id=product_id,
            products=products,
            batches=Batches(database=factory_database, queue=queue, signing_key_id=KEY_ID, chains=("main",)),
            claims=Claims(database=factory_database, lease=timedelta(seconds=15)),
            issuer=Issuer(database=factory_database, minter=minter),
        )


async def _tenant_with_product(database: Database, products: Products) -> tuple[UUID, UUID]:
    tenant = await create_tenant(
        database=database, clock=SystemClock(), name="Acme", verification_base_url="https://v.example"
    )
    details = ProductDetails("Azeite", "4006381333931", "", "", (), "", {})
    async with database.transaction() as tx:
        product = await products.create(tx, tenant.tenant_id, NewProduct("A-1", details))
    return tenant.tenant_id, product.product_id


@pytest.fixture
def sql(postgres: Any, database_url: DatabaseUrl) -> Any:
    """Runs a statement as superuser in the test's database: what an operator or an auditor does."""
    name = database_url().rpartition("/")[2]
    return lambda statement: postgres.sql(statement, database=name)
