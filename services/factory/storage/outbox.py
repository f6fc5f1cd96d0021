"""Events that must not be lost: written with what they tell of, read by the worker that publishes them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from services.common.database import Transaction
from services.factory.model.events import Event
from services.factory.tables import outbox


async def add(tx: Transaction, events: Sequence[Event]) -> None:
    """Keep events; they exist exactly when the transaction does. Those whose id is there already stay as they are."""
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


async def take_waiting(tx: Transaction, limit: int) -> list[tuple[Event, datetime]]:
    """Return the oldest events that nobody published, with their times; other publishers skip them until the
    transaction ends.
    """
    found = await tx.connection.execute(
        select(outbox)
        .where(outbox.c.published_at.is_(None))
        .order_by(outbox.c.created_at, outbox.c.event_id)
        .limit(limit)
        .with_for_update(skip_locked=True),
    )
    return [
        (
            Event(
                event_id=row.event_id,
                tenant_id=row.tenant_id,
                topic=row.topic,
                subject=row.subject,
                payload=row.payload,
            ),
            row.created_at,
        )
        for row in found
    ]


async def mark_published(tx: Transaction, event_ids: Sequence[UUID]) -> None:
    """Note that events were published."""
    await tx.connection.execute(
        update(outbox).where(outbox.c.event_id.in_(event_ids)).values(published_at=func.now()),
    )


async def waiting(tx: Transaction) -> tuple[int, float]:
    """Return how many events nobody published, and the age of the oldest in seconds."""
    row = (
        await tx.connection.execute(
            select(
                func.count(),
                func.coalesce(func.extract("epoch", func.now() - func.min(outbox.c.created_at)), 0),
            ).where(outbox.c.published_at.is_(None))
        )
    ).one()
    return row[0], float(row[1])


async def forget_published(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete up to `limit` events that were published before a moment; return how many there were."""
    old = select(outbox.c.event_id).where(outbox.c.published_at < before).limit(limit)
    return (await tx.connection.execute(delete(outbox).where(outbox.c.event_id.in_(old)))).rowcount
