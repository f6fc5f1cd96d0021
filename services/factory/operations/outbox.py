"""The outbox: events are kept with what they tell of, and published by the worker, at least once.

Nothing reads them yet. Webhook deliveries will: publishing an event will mean making its deliveries, in the
transaction that marks it published. Until then publishing is a log line. That work is waiting is not told by events
but by the batches themselves (`storage.issuing.claim_next`), so that an outbox that stands still holds up nobody.
"""

from services.common.database import Database, Transaction
from services.common.ids import uuid7
from services.common.logs import get_logger
from services.factory.model.batches import Batch
from services.factory.model.events import Event
from services.factory.storage import outbox as storage

_PAGE = 100
_log = get_logger(__name__)


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
    await storage.add(
        tx, Event(event_id=uuid7(), tenant_id=batch.tenant_id, topic=topic, subject=batch.batch_id, payload=payload)
    )


class Publisher:
    """Publishes what waits."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def publish(self) -> int:
        """Publish events until none waits; return how many. A crash in between publishes a page again."""
        published = 0
        while True:
            async with self._database.transaction() as tx:
                events = await storage.take_waiting(tx, _PAGE)
                for event in events:
                    _log.info("event", topic=event.topic, subject=str(event.subject), event_id=str(event.event_id))
                if events:
                    await storage.mark_published(tx, [event.event_id for event in events])
            published += len(events)
            if len(events) < _PAGE:
                return published
