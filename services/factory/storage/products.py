"""SQL on products."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.common.database import Transaction
from services.common.errors import DuplicateSku
from services.factory.model.products import Product, ProductDetails
from services.factory.tables import products


async def insert_product(tx: Transaction, product: Product) -> None:
    """Add a product; DuplicateSku when the tenant has its SKU."""
    row = {
        "product_id": product.product_id,
        "tenant_id": product.tenant_id,
        "sku": product.sku,
        "created_at": product.created_at,
        **_changeable(product),
    }
    try:
        await tx.connection.execute(insert(products).values(row))
    except IntegrityError as error:
        if "products_tenant_sku" in str(error.orig):
            raise DuplicateSku(product.sku) from error
        raise


async def product_by_id(tx: Transaction, tenant_id: UUID, product_id: UUID, *, lock: bool = False) -> Product | None:
    """Return a product of the tenant; `lock` keeps other writers out until the transaction ends."""
    query = select(products).where(products.c.tenant_id == tenant_id, products.c.product_id == product_id)
    if lock:
        query = query.with_for_update()
    row = (await tx.connection.execute(query)).one_or_none()
    return None if row is None else _product(row)


async def list_products(
    tx: Transaction, tenant_id: UUID, *, before: UUID | None, limit: int, include_archived: bool
) -> Sequence[Product]:
    """Return products in falling order of their ids: UUIDv7 makes that the order of registration."""
    query = select(products).where(products.c.tenant_id == tenant_id).order_by(products.c.product_id.desc())
    if before is not None:
        query = query.where(products.c.product_id < before)
    if not include_archived:
        query = query.where(products.c.archived_at.is_(None))
    return [_product(row) for row in await tx.connection.execute(query.limit(limit))]


async def update_product(tx: Transaction, product: Product) -> None:
    """Write what can change of a product."""
    await tx.connection.execute(
        update(products)
        .where(products.c.tenant_id == product.tenant_id, products.c.product_id == product.product_id)
        .values(_changeable(product))
    )


def _changeable(product: Product) -> dict[str, Any]:
    details = product.details
    return {
        "name": details.name,
        "gtin": details.gtin,
        "category": details.category,
        "description": details.description,
        "markets": list(details.markets),
        "image_url": details.image_url,
        "metadata": dict(details.metadata),
        "archived_at": product.archived_at,
        "updated_at": product.updated_at,
    }


def _product(row: Row[Any]) -> Product:
    return Product(
        product_id=row.product_id,
        tenant_id=row.tenant_id,
        sku=row.sku,
        details=ProductDetails(
            name=row.name,
            gtin=row.gtin,
            category=row.category,
            description=row.description,
            markets=tuple(row.markets),
            image_url=row.image_url,
            metadata=row.metadata,
        ),
        archived_at=row.archived_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
