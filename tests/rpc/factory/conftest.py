"""What tests of Factory start from."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from services.common.database import Database
from services.common.settings import ProcessSettings
from services.factory.operations import dead_letters
from services.factory.storage import dead_letters as storage
from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client
from tests.rpc.conftest import Partner
from tests.rpc.factory.issued import issue
from voketag.factory.v1 import factory_pb2 as pb

IssueBatch = Callable[..., Awaitable[str]]
Bury = Callable[..., Awaitable[str]]


@pytest.fixture
async def product(factory: Client) -> pb.Product:
    """A product of Acme's."""
    return await factory.CreateProduct(pb.CreateProductRequest(sku="OIL-1", name="Olive oil"))


@pytest.fixture
def issue_batch(database_url: DatabaseUrl, acme: Partner, product: pb.Product) -> IssueBatch:
    """Makes a batch of Acme's with all its units and returns its id: `await issue_batch(3, state="ANCHORING")`."""

    async def make(quantity: int, *, state: str = "COMPLETED", serials: str = "S") -> str:
        return await issue(
            database_url(),
            tenant_id=acme.tenant_id,
            product_id=product.product_id,
            quantity=quantity,
            state=state,
            serials=serials,
        )

    return make


@pytest.fixture
def bury(database_url: DatabaseUrl, acme: Partner) -> Bury:
    """Makes a dead letter of Acme's and returns its id: `await bury(subject, kind="batch.issuing", **payload)`."""

    async def make(subject: str, *, kind: str = "webhook.delivery", cause: str = "answered 500", **payload: Any) -> str:
        settings = ProcessSettings(database_url=database_url("voketag_factory"))
        async with aclosing(Database.open(settings)) as database:
            async with database.transaction() as tx:
                await dead_letters.bury(
                    tx, acme.tenant_id, kind, subject=subject, cause=cause, payload=payload, now=datetime.now(UTC)
                )
            async with database.reading() as tx:
                newest = await storage.page(tx, acme.tenant_id, kind=kind, include_resolved=False, below=None, limit=1)
        return str(newest[0].dead_letter_id)

    return make


@pytest.fixture
async def sql(database_url: DatabaseUrl) -> AsyncIterator[Callable[[str], Awaitable[Any]]]:
    """Runs a statement as superuser in the test's database and returns its first value."""
    connection = await asyncpg.connect(database_url())
    yield lambda statement: _value(connection, statement)
    await connection.close()


async def _value(connection: asyncpg.Connection, statement: str) -> Any:
    if statement.lstrip().startswith("CREATE"):  # several statements at once have no value
        return await connection.execute(statement)
    return await connection.fetchval(statement)
