"""SQL on products."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from services.common.database import Transaction
from services.common.errors import DuplicateSku
from services.factory.model.listing import Order, Position
from services.factory.model.products import Product, ProductDetails, ProductFilter
from services.factory.storage import listing
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
    tx: Transaction, tenant_id: UUID, wanted: ProductFilter, order: Order, *, after: Position | None, limit: int
) -> Sequence[Product]:
    """Return products behind a position. By time is by id: UUIDv7 makes that the order of registration."""
    query = select(products).where(products.c.tenant_id == tenant_id)
    if not wanted.include_archived:
        query = query.where(products.c.archived_at.is_(None))
    if wanted.sku_prefix:
        query = query.where(products.c.sku.startswith(wanted.sku_prefix, autoescape=True))
    if wanted.gtin:
        # GTINs of all lengths are one space, those shorter than 14 digits with zeros before them.
        query = query.where(products.c.gtin != "", func.lpad(products.c.gtin, 14, "0") == wanted.gtin.zfill(14))
    if wanted.category:
        query = query.where(products.c.category == wanted.category)
    if wanted.text:
        query = query.where(
            or_(
                *(
                    column.icontains(wanted.text, autoescape=True)
                    for column in (products.c.name, products.c.sku, products.c.description)
                )
            )
        )
    value = {"name": products.c.name, "sku": products.c.sku}.get(order.field)
    query = listing.page(query, order, after, item_id=products.c.product_id, value=value)
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
