"""Events about units in protobuf."""

from uuid import UUID

from services.factory.convert.fields import texts
from services.factory.model.events import Event
from voketag.factory.v1 import unit_events_pb2

_TOPICS = {
    unit_events_pb2.UNIT_EVENT_KIND_REPORTED: "unit.reported",
    unit_events_pb2.UNIT_EVENT_KIND_HIGH_RISK: "unit.high_risk",
}


def events(request: unit_events_pb2.NoteUnitEventsRequest) -> list[Event]:
    """Return the events of a request; the subject is the batch, the payload names the unit."""
    return [
        Event(
            event_id=UUID(each.event_id),
            tenant_id=UUID(each.tenant_id),
            topic=_TOPICS[each.kind],
            subject=each.batch_id,
            payload={
                **texts("details", each.details),
                "unit_id": str(each.unit_id),
                "batch_id": each.batch_id,
                "occurred_at": each.occurred_at.ToJsonString(),
            },
        )
        for each in request.events
    ]
