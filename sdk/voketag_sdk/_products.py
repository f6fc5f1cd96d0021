"""Products of the tenant."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from voketag.factory.v1 import factory_pb2
from voketag_sdk import _convert
from voketag_sdk._items import AsyncItems
from voketag_sdk._transport import Transport
from voketag_sdk.models import Product


class AsyncProducts:
    """Products of the tenant. `request_id` (a UUID) makes a write idempotent across processes: keep it with your order,
    and a repeat returns the first answer. Without it one is made for each call, so that retries are safe anyway.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        *,
        sku: str,
        name: str,
        gtin: str = "",
        category: str = "",
        description: str = "",
        markets: Iterable[str] = (),
        image_url: str = "",
        metadata: Mapping[str, str] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Product:
        """Register a product. DuplicateSku when the tenant has the SKU; `markets` are ISO 3166 alpha-2 codes."""
        request = factory_pb2.CreateProductRequest(
            sku=sku,
            name=name,
            gtin=gtin,
            category=category,
            description=description,
            markets=markets,
            image_url=image_url,
            metadata=metadata,
            request_id=request_id or str(uuid4()),
        )
        return _convert.product(
            await self._transport.call(self._transport.factory.CreateProduct, request, timeout=timeout)
        )

    async def get(self, product_id: str, *, timeout: float | None = None) -> Product:
        """Return one product. ProductNotFound."""
        request = factory_pb2.GetProductRequest(product_id=product_id)
        return _convert.product(
            await self._transport.call(self._transport.factory.GetProduct, request, timeout=timeout)
        )

    def list(
        self,
        *,
        include_archived: bool = False,
        sku_prefix: str = "",
        gtin: str = "",
        category: str = "",
        text: str = "",
        order_by: str = "",
        page_size: int = 0,
    ) -> AsyncItems[Product]:
        """List products; pages are fetched as they are needed.

        `gtin` finds a GTIN in any of its lengths, `text` looks into name, SKU and description. `order_by` is
        "created_at desc" (the default), "created_at", "name" or "sku", each with " desc" or without.
        """

        async def pages() -> AsyncGenerator[Sequence[Product]]:
            request = factory_pb2.ListProductsRequest(
                page_size=page_size,
                include_archived=include_archived,
                sku_prefix=sku_prefix,
                gtin=gtin,
                category=category,
                text=text,
                order_by=order_by,
            )
            while True:
                page = await self._transport.call(self._transport.factory.ListProducts, request)
                yield [_convert.product(each) for each in page.products]
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token

        return AsyncItems(pages)

    async def update(
        self,
        product_id: str,
        *,
        name: str | None = None,
        gtin: str | None = None,
        category: str | None = None,
        description: str | None = None,
        markets: Iterable[str] | None = None,
        image_url: str | None = None,
        metadata: Mapping[str, str] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Product:
        """Change the fields that are given; "" and empty collections clear. Issued batches keep their facts."""
        change: dict[str, Any] = {
            "name": name,
            "gtin": gtin,
            "category": category,
            "description": description,
            "markets": markets,
            "image_url": image_url,
            "metadata": metadata,
        }
        given = {field: value for field, value in change.items() if value is not None}
        if not given:
            raise ValueError("give at least one field to change")
        request = factory_pb2.UpdateProductRequest(
            product_id=product_id,
            product=factory_pb2.ProductChange(**given),
            update_mask=FieldMask(paths=given),
            request_id=request_id or str(uuid4()),
        )
        return _convert.product(
            await self._transport.call(self._transport.factory.UpdateProduct, request, timeout=timeout)
        )

    async def archive(self, product_id: str, *, request_id: str | None = None, timeout: float | None = None) -> Product:
        """Archive a product: it takes no new batches, and its codes keep working. Twice is no error."""
        request = factory_pb2.ArchiveProductRequest(product_id=product_id, request_id=request_id or str(uuid4()))
        return _convert.product(
            await self._transport.call(self._transport.factory.ArchiveProduct, request, timeout=timeout)
        )
