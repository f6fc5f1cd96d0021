"""Units of the tenant: look at them, change their state."""

from collections.abc import AsyncGenerator, Sequence
from uuid import uuid4

from voketag.factory.v1 import factory_pb2
from voketag_sdk import _convert
from voketag_sdk._items import AsyncItems
from voketag_sdk._transport import Transport
from voketag_sdk.models import Unit, UnitState, UnitStateReason


class AsyncUnits:
    """Units of the tenant's batches."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, batch_id: str, *, page_size: int = 0) -> AsyncItems[Unit]:
        """List the units of an issued batch in index order. For all of a large batch, `batches.rows` is faster."""

        async def pages() -> AsyncGenerator[Sequence[Unit]]:
            request = factory_pb2.ListUnitsRequest(batch_id=batch_id, page_size=page_size)
            while True:
                page = await self._transport.call(self._transport.factory.ListUnits, request)
                yield [_convert.unit(each) for each in page.units]
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token

        return AsyncItems(pages)

    async def set_state(
        self,
        unit_id: int,
        state: UnitState,
        *,
        reason: UnitStateReason | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Unit:
        """Change the state of one unit; scans obey within a second. UnitNotFound."""
        request = factory_pb2.SetUnitStateRequest(
            unit_id=unit_id,
            state=_convert.number_of(state, factory_pb2.UnitState.DESCRIPTOR),
            request_id=request_id or str(uuid4()),
        )
        if reason is not None:
            request.reason = _convert.number_of(reason, factory_pb2.UnitStateReason.DESCRIPTOR)
        return _convert.unit(await self._transport.call(self._transport.factory.SetUnitState, request, timeout=timeout))
