"""Products."""

from services.common.paging import page_size
from services.common.rpc.call import Call
from services.factory.convert import listing
from services.factory.convert import products as convert
from services.factory.idempotency import Writes
from services.factory.operations.products import Products
from voketag.factory.v1 import factory_pb2


class ProductMethods:
    """The methods on products."""

    _writes: Writes
    _products: Products

    async def create_product(self, request: factory_pb2.CreateProductRequest, call: Call) -> factory_pb2.Product:
        """Register a product."""
        new = convert.new_product(request)
        return await self._writes.once(
            call, request, lambda tx: self._products.create(tx, call.caller.tenant, new), convert.product
        )

    async def get_product(self, request: factory_pb2.GetProductRequest, call: Call) -> factory_pb2.Product:
        """Return one product."""
        return convert.product(await self._products.get(call.caller.tenant, convert.product_id(request)))

    async def list_products(
        self, request: factory_pb2.ListProductsRequest, call: Call
    ) -> factory_pb2.ListProductsResponse:
        """List products."""
        order = listing.order(request.order_by, convert.ORDERS)
        page = await self._products.list(
            call.caller.tenant,
            convert.product_filter(request),
            order,
            after=listing.position(request.page_token, order),
            limit=page_size(request.page_size),
        )
        return convert.product_page(page, order)

    async def update_product(self, request: factory_pb2.UpdateProductRequest, call: Call) -> factory_pb2.Product:
        """Change the fields that the mask names."""
        product_id, change = convert.product_id(request), convert.product_change(request)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._products.update(tx, call.caller.tenant, product_id, change),
            convert.product,
        )

    async def archive_product(self, request: factory_pb2.ArchiveProductRequest, call: Call) -> factory_pb2.Product:
        """Archive a product."""
        product_id = convert.product_id(request)
        return await self._writes.once(
            call, request, lambda tx: self._products.archive(tx, call.caller.tenant, product_id), convert.product
        )
