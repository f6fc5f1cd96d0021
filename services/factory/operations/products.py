"""What is done with products."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import ProductNotFound
from services.common.ids import uuid7
from services.factory.model.listing import NEWEST_FIRST, Order, Position
from services.factory.model.page import Page
from services.factory.model.products import NewProduct, Product, ProductFilter
from services.factory.storage import products as storage


class Products:
    """Products of one tenant at a time."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(self, tx: Transaction, tenant_id: UUID, new: NewProduct) -> Product:
        """Register a product; InvalidArgument for a wrong GTIN, DuplicateSku when the tenant has the SKU."""
        new.details.check()
        now = self._clock.now()
        product = Product(
            product_id=uuid7(),
            tenant_id=tenant_id,
            sku=new.sku,
            details=new.details,
            archived_at=None,
            created_at=now,
            updated_at=now,
        )
        await storage.insert_product(tx, product)
        return product

    async def get(self, tenant_id: UUID, product_id: UUID) -> Product:
        """Return a product; ProductNotFound when the tenant has none of that id."""
        async with self._database.reading() as tx:
            return _found(await storage.product_by_id(tx, tenant_id, product_id))

    async def list(
        self,
        tenant_id: UUID,
        wanted: ProductFilter,
        order: Order = NEWEST_FIRST,
        *,
        after: Position | None = None,
        limit: int,
    ) -> Page[Product]:
        """Return products in an order, from the one after `after` on."""
        async with self._database.reading() as tx:
            found = await storage.list_products(tx, tenant_id, wanted, order, after=after, limit=limit + 1)
        return Page.cut(found, limit)

    async def update(self, tx: Transaction, tenant_id: UUID, product_id: UUID, change: Mapping[str, Any]) -> Product:
        """Change fields of ProductDetails; ProductNotFound, or InvalidArgument when the outcome is no product."""
        product = _found(await storage.product_by_id(tx, tenant_id, product_id, lock=True))
        details = replace(product.details, **change)
        details.check()
        changed = replace(product, details=details, updated_at=self._clock.now())
        await storage.update_product(tx, changed)
        return changed

    async def archive(self, tx: Transaction, tenant_id: UUID, product_id: UUID) -> Product:
        """Archive a product, or leave it archived; ProductNotFound."""
        product = _found(await storage.product_by_id(tx, tenant_id, product_id, lock=True))
        if product.archived_at is not None:
            return product
        now = self._clock.now()
        archived = replace(product, archived_at=now, updated_at=now)
        await storage.update_product(tx, archived)
        return archived


def _found(product: Product | None) -> Product:
    if product is None:
        raise ProductNotFound
    return product
