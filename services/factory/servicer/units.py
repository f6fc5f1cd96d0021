"""Units and their codes."""

from collections.abc import AsyncIterator
from uuid import UUID

from google.api import httpbody_pb2

from services.common.paging import page_size
from services.common.rpc.call import Call
from services.factory.convert import units as convert
from services.factory.convert.fields import who
from services.factory.idempotency import Writes
from services.factory.model.units import UnitState, UnitStateReason
from services.factory.operations.units import Units
from voketag.factory.v1 import factory_pb2


class UnitMethods:
    """The methods on units."""

    _writes: Writes
    _units: Units

    async def list_units(self, request: factory_pb2.ListUnitsRequest, call: Call) -> factory_pb2.ListUnitsResponse:
        """List units in index order."""
        page = await self._units.list(
            call.caller.tenant,
            UUID(request.batch_id),
            first_index=convert.first_index(request.page_token),
            limit=page_size(request.page_size),
        )
        return convert.unit_page(page)

    async def export_units(
        self, request: factory_pb2.ExportUnitsRequest, call: Call
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        """Send all units as CSV."""
        header = request.first_index == 0
        exported = self._units.export(call.caller.tenant, UUID(request.batch_id), first_index=request.first_index)
        async for units in exported:
            yield convert.csv_slice(units, header=header)
            header = False

    async def get_unit(self, request: factory_pb2.GetUnitRequest, call: Call) -> factory_pb2.Unit:
        """Return one unit."""
        return convert.unit(await self._units.get(call.caller.tenant, convert.wanted(request)))

    async def render_code(self, request: factory_pb2.RenderCodeRequest, call: Call) -> httpbody_pb2.HttpBody:
        """Draw a unit's QR code, or fill its NFC tag."""
        url, tag_type = await self._units.printed_url(call.caller.tenant, UUID(request.batch_id), request.index)
        return convert.carrier(url, request.format or convert.DEFAULT_FORMATS[tag_type])

    async def set_unit_state(self, request: factory_pb2.SetUnitStateRequest, call: Call) -> factory_pb2.Unit:
        """Change a unit's state."""
        return await self._writes.once(
            call,
            request,
            lambda tx: self._units.set_state(
                tx,
                call.caller.tenant,
                request.unit_id,
                UnitState(request.state),
                UnitStateReason(request.reason),
                who=who(call.caller),
            ),
            convert.unit,
        )
