"""Products in protobuf."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from services.common.errors import InvalidArgument
from services.factory.convert.fields import text, texts, timestamp
from services.factory.convert.listing import token
from services.factory.model.listing import Order
from services.factory.model.page import Page
from services.factory.model.products import NewProduct, Product, ProductDetails, ProductFilter
from voketag.factory.v1 import factory_pb2

ORDERS: Final = frozenset({"created_at", "name", "sku"})
"""What products are listed by."""
_Details = factory_pb2.CreateProductRequest | factory_pb2.ProductChange
_READ: Mapping[str, Callable[[_Details], object]] = {
    "name": lambda m: text("name", m.name),
    "gtin": lambda m: m.gtin,
    "category": lambda m: text("category", m.category),
    "description": lambda m: text("description", m.description),
    "markets": lambda m: tuple(m.markets),
    "image_url": lambda m: text("image_url", m.image_url),
    "metadata": lambda m: texts("metadata", m.metadata),
}
"""How each field that can change is read."""


def product_id(request: Any) -> UUID:
    """Return the product that a request names."""
    return UUID(request.product_id)


def product_filter(request: factory_pb2.ListProductsRequest) -> ProductFilter:
    """Return what a listing shows."""
    return ProductFilter(
        include_archived=request.include_archived,
        sku_prefix=text("sku_prefix", request.sku_prefix),
        gtin=request.gtin,
        category=text("category", request.category),
        text=text("text", request.text),
    )


def new_product(request: factory_pb2.CreateProductRequest) -> NewProduct:
    """Return the product to register."""
    details: dict[str, Any] = {field: read(request) for field, read in _READ.items()}
    return NewProduct(sku=request.sku, details=ProductDetails(**details))


def product_change(request: factory_pb2.UpdateProductRequest) -> Mapping[str, object]:
    """Return the new values by field of ProductDetails: those of the mask, or all that are set."""
    paths = list(request.update_mask.paths) or [field.name for field, _ in request.product.ListFields()]
    if unknown := set(paths) - _READ.keys():
        raise InvalidArgument.of("update_mask", f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(_READ)}")
    return {path: _READ[path](request.product) for path in paths}


def product(found: Product) -> factory_pb2.Product:
    """Return a product."""
    details = found.details
    return factory_pb2.Product(
        product_id=str(found.product_id),
        sku=found.sku,
        name=details.name,
        gtin=details.gtin,
        category=details.category,
        description=details.description,
        markets=details.markets,
        image_url=details.image_url,
        metadata=details.metadata,
        archived=found.archived_at is not None,
        created_at=timestamp(found.created_at),
        updated_at=timestamp(found.updated_at),
    )


def product_page(page: Page[Product], order: Order) -> factory_pb2.ListProductsResponse:
    """Return a page of products."""
    return factory_pb2.ListProductsResponse(
        products=[product(item) for item in page.items],
        next_page_token=_token_after(page.items[-1], order) if page.more else "",
    )


def _token_after(last: Product, order: Order) -> str:
    value = {"name": last.details.name, "sku": last.sku}.get(order.field, "")
    return token(order, last.product_id, value)
