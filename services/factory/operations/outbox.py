"""The outbox: events are kept with what they tell of, and published by the worker.

To publish an event is to make its deliveries, one for every endpoint of the tenant that wants its topic, in the
transaction that marks it published: a crash publishes it again or not at all, and `(endpoint, event)` is unique, so
that an event has one webhook-id and one delivery an endpoint, whatever happens. A disabled endpoint gets its
deliveries, too, CANCELLED: they can be sent again when it is back.

That work is waiting is not told by events but by the batches themselves (`storage.issuing.claim_next`), so that an
outbox that stands still holds up nobody.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.ids import uuid7
from services.common.logs import get_logger
from services.factory.model.batches import Batch
from services.factory.model.events import Event, check_topic
from services.factory.model.webhooks import Delivery, DeliveryState, Endpoint, body_of
from services.factory.storage import deliveries, webhooks
from services.factory.storage import outbox as storage

_PAGE = 100
_log = get_logger(__name__)


async def put(
    tx: Transaction,
    tenant_id: UUID,
    topic: str,
    *,
    subject: UUID | str,
    payload: Mapping[str, str | int],
    event_id: UUID | None = None,
) -> None:
    """Keep an event; it exists exactly when the transaction does, and goes to every endpoint that wants its topic.

    `subject` is the id of what it is about; `payload` becomes the webhook's `data`, so no secrets. An `event_id` that
    follows from what happened (`uuid5`) makes it happen once, however often it is told; by default each call is an
    event. ValueError for a topic that is not one of `model.events.TOPICS`.
    """
    event = Event(
        event_id=event_id or uuid7(),
        tenant_id=tenant_id,
        topic=check_topic(topic),
        subject=str(subject),
        payload=payload,
    )
    await storage.add(tx, [event])


async def note(tx: Transaction, batch: Batch, topic: str) -> None:
    """Keep an event about a batch; it exists exactly when the transaction does."""
    payload: dict[str, str | int] = {
        "batch_id": str(batch.batch_id),
        "product_id": str(batch.product_id),
        "state": batch.state.name,
        "quantity": batch.quantity,
    }
    if batch.error:
        payload["error"] = batch.error
    await put(tx, batch.tenant_id, topic, subject=batch.batch_id, payload=payload)


class Publisher:
    """Publishes what waits."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def publish(self) -> int:
        """Publish events until none waits; return how many. A crash in between publishes a page again."""
        published = 0
        while True:
            async with self._database.transaction() as tx:
                events = await storage.take_waiting(tx, _PAGE)
                if events:
                    await self._deliver(tx, events)
                    await storage.mark_published(tx, [event.event_id for event, _ in events])
            published += len(events)
            if len(events) < _PAGE:
                return published

    async def _deliver(self, tx: Transaction, events: list[tuple[Event, datetime]]) -> None:
        endpoints = await webhooks.of_tenants(tx, {event.tenant_id for event, _ in events})
        now = self._clock.now()
        made = [
            delivery_of(
                event.event_id,
                event.topic,
                body_of(event.topic, happened_at, event.payload),
                endpoint=endpoint,
                happened_at=happened_at,
                now=now,
            )
            for event, happened_at in events
            for endpoint in endpoints
            if endpoint.tenant_id == event.tenant_id and endpoint.wants(event.topic)
        ]
        if made:
            await deliveries.add(tx, made)
        for event, _ in events:
            _log.info("event", topic=event.topic, subject=event.subject, event_id=str(event.event_id))


def delivery_of(
    event_id: UUID, topic: str, body: str, *, endpoint: Endpoint, happened_at: datetime, now: datetime
) -> Delivery:
    """Return a new delivery, due at once, or CANCELLED from the start when nothing is sent to the endpoint."""
    return Delivery(
        delivery_id=uuid7(),
        endpoint_id=endpoint.endpoint_id,
        tenant_id=endpoint.tenant_id,
        event_id=event_id,
        topic=topic,
        body=body,
        state=DeliveryState.CANCELLED if endpoint.disabled else DeliveryState.PENDING,
        attempts=0,
        due_at=None if endpoint.disabled else now,
        created_at=happened_at,
    )
