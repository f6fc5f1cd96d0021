"""Events about units."""

from google.protobuf import empty_pb2

from services.common.rpc.call import Call
from services.factory.convert import unit_events as convert
from services.factory.operations.unit_events import UnitEvents
from voketag.factory.v1 import unit_events_pb2


class UnitEventMethods:
    """What Scan tells."""

    _unit_events: UnitEvents

    async def note_unit_events(self, request: unit_events_pb2.NoteUnitEventsRequest, _call: Call) -> empty_pb2.Empty:
        """Take events about units."""
        await self._unit_events.note(convert.events(request))
        return empty_pb2.Empty()
