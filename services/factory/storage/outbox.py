"""Events that must not be lost: written with what they tell of, read by the worker that publishes them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from services.common.database import Transaction
from services.factory.model.events import Event
from services.factory.tables import outbox


async def add(tx: Transaction, event: Event) -> None:
    """Keep an event; it exists exactly when the transaction does."""
    row = {
        "event_id": event.event_id,
        "tenant_id": event.tenant_id,
        "topic": event.topic,
        "subject": event.subject,
        "payload": dict(event.payload),
        "created_at": func.now(),
    }
    await tx.connection.execute(insert(outbox).values(row))


async def add_new(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep events that came from elsewhere; those that came before stay as they are."""
    rows = [
        {
            "event_id": event.event_id,
            "tenant_id": event.tenant_id,
            "topic": event.topic,
            "subject": event.subject,
            "payload": dict(event.payload),
            "created_at": func.now(),
        }
        for event in events
    ]
    await tx.connection.execute(upsert(outbox).values(rows).on_conflict_do_nothing(index_elements=["event_id"]))


async def take_waiting(tx: Transaction, limit: int) -> list[Event]:
    """Return the oldest events that nobody published; other publishers skip them until the transaction ends."""
    found = await tx.connection.execute(
        select(outbox)
        .where(outbox.c.published_at.is_(None))
        .order_by(outbox.c.created_at, outbox.c.event_id)
        .limit(limit)
        .with_for_update(skip_locked=True),
    )
    return [
        Event(
            event_id=row.event_id,
            tenant_id=row.tenant_id,
            topic=row.topic,
            subject=row.subject,
            payload=row.payload,
        )
        for row in found
    ]


async def mark_published(tx: Transaction, event_ids: Sequence[UUID]) -> None:
    """Note that events were published."""
    await tx.connection.execute(
        update(outbox).where(outbox.c.event_id.in_(event_ids)).values(published_at=func.now()),
    )
