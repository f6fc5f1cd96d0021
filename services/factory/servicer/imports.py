"""Files of units."""

from collections.abc import AsyncIterator
from uuid import UUID

from services.common.rpc.call import Call
from services.factory.convert import batches as convert_batches
from services.factory.convert import imports as convert
from services.factory.convert.fields import who
from services.factory.idempotency import Writes
from services.factory.operations.imports import Imports
from voketag.factory.v1 import factory_pb2, imports_pb2


class ImportMethods:
    """The methods on files of units."""

    _writes: Writes
    _imports: Imports

    async def import_units(
        self, requests: AsyncIterator[imports_pb2.ImportUnitsRequest], call: Call
    ) -> factory_pb2.Batch:
        """Order the batch of a file that comes in pieces."""
        request = await convert.order_of_stream(requests)
        return await self._import(request, convert.pieces_of_stream(requests, request.size_bytes), call)

    async def import_units_csv(self, request: imports_pb2.ImportUnitsCsvRequest, call: Call) -> factory_pb2.Batch:
        """Order the batch of a file that came whole."""
        return await self._import(convert.order_of_file(request), convert.pieces(request.file), call)

    async def get_import_report(
        self, request: imports_pb2.GetImportReportRequest, call: Call
    ) -> imports_pb2.ImportReport:
        """Return what was wrong with a file."""
        return convert.report(await self._imports.report(call.caller.tenant, convert.import_id(request)))

    async def _import(
        self, request: imports_pb2.ImportOrder, pieces: AsyncIterator[bytes], call: Call
    ) -> factory_pb2.Batch:
        tenant_id, order, author = call.caller.tenant, convert.order(request), who(call.caller)
        checked = self._imports.checked(tenant_id, UUID(request.product_id), pieces)
        async with checked as file, self._imports.turn(tenant_id):
            return await self._writes.once(
                call,
                request,
                lambda tx: self._imports.create(tx, tenant_id, order, file, who=author),
                convert_batches.batch,
                file_hash=file.digest,
            )
