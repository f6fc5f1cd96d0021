"""What tests of Factory start from."""

from collections.abc import Awaitable, Callable

import pytest

from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client
from tests.rpc.conftest import Partner
from tests.rpc.factory.issued import issue
from voketag.factory.v1 import factory_pb2 as pb

IssueBatch = Callable[..., Awaitable[str]]


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
