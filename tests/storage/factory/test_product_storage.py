"""SQL on products."""

import pytest

from services.common.clock import SystemClock
from services.common.database import Database
from services.common.errors import DuplicateSku
from services.common.ids import uuid7
from services.factory.model.products import Product, ProductDetails
from services.factory.operations.tenants import create_tenant
from services.factory.storage import products


@pytest.fixture
async def tenant_id(factory_database: Database):
    tenant = await create_tenant(
        database=factory_database, clock=SystemClock(), name="Acme", verification_base_url="https://v.example"
    )
    return tenant.tenant_id


def a_product(tenant_id, sku: str) -> Product:
    now = SystemClock().now()
    details = ProductDetails(
        name="Olive oil",
        gtin="4006381333931",
        category="food",
        description="Cold pressed; 100% ''olives''",
        markets=("BR", "DE"),
        image_url="https://img.example/1.png",
        metadata={"ключ": "značení"},
    )
    return Product(
        product_id=uuid7(),
        tenant_id=tenant_id,
        sku=sku,
        details=details,
        archived_at=None,
        created_at=now,
        updated_at=now,
    )


async def test_a_product_comes_back_as_it_was_stored(factory_database: Database, tenant_id) -> None:
    product = a_product(tenant_id, "A-1")
    async with factory_database.transaction() as tx:
        await products.insert_product(tx, product)
    async with factory_database.reading() as tx:
        assert await products.product_by_id(tx, tenant_id, product.product_id) == product


async def test_another_tenant_does_not_see_it(factory_database: Database, tenant_id) -> None:
    product = a_product(tenant_id, "A-1")
    async with factory_database.transaction() as tx:
        await products.insert_product(tx, product)
    async with factory_database.reading() as tx:
        assert await products.product_by_id(tx, uuid7(), product.product_id) is None


async def test_the_second_product_of_a_sku_is_refused(factory_database: Database, tenant_id) -> None:
    async with factory_database.transaction() as tx:
        await products.insert_product(tx, a_product(tenant_id, "A-1"))
    with pytest.raises(DuplicateSku):
        async with factory_database.transaction() as tx:
            await products.insert_product(tx, a_product(tenant_id, "A-1"))
