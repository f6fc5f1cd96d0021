"""Rows of webhook deliveries and their log, as requests and the publisher need them. `delivering.py` tries them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, null, select, update
from sqlalchemy.dialects.postgresql import insert

from services.common.database import Transaction
from services.common.errors import WebhookNotFound
from services.factory.model.webhooks import Attempt, Delivery, DeliveryState
from services.factory.tables import webhook_attempts as log
from services.factory.tables import webhook_deliveries as table

_ENDED = [DeliveryState.DELIVERED.name, DeliveryState.FAILED.name, DeliveryState.CANCELLED.name]


async def add(tx: Transaction, deliveries: Sequence[Delivery]) -> None:
    """Add deliveries; an event goes to an endpoint once, so those that are there stay as they are."""
    rows = [
        {
            "delivery_id": each.delivery_id,
            "endpoint_id": each.endpoint_id,
            "tenant_id": each.tenant_id,
            "event_id": each.event_id,
            "topic": each.topic,
            "body": each.body,
            "state": each.state.name,
            "due_at": each.due_at,
            "created_at": each.created_at,
        }
        for each in deliveries
    ]
    await tx.connection.execute(
        insert(table).values(rows).on_conflict_do_nothing(index_elements=["endpoint_id", "event_id"])
    )


async def get(tx: Transaction, endpoint_id: UUID, delivery_id: UUID) -> Delivery:
    """Return a delivery with its log; WebhookNotFound."""
    query = select(table).where(table.c.endpoint_id == endpoint_id, table.c.delivery_id == delivery_id)
    row = (await tx.connection.execute(query)).one_or_none()
    if row is None:
        raise WebhookNotFound
    tried = await tx.connection.execute(select(log).where(log.c.delivery_id == delivery_id).order_by(log.c.number))
    return to_delivery(row, tuple(_attempt(each) for each in tried))


async def page(
    tx: Transaction, endpoint_id: UUID, *, state: DeliveryState | None, below: UUID | None, limit: int
) -> list[Delivery]:
    """Return up to `limit` deliveries whose id is below `below`, newest first, without their logs."""
    query = select(table).where(table.c.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(table.c.state == state.name)
    if below is not None:
        query = query.where(table.c.delivery_id < below)
    found = await tx.connection.execute(query.order_by(table.c.delivery_id.desc()).limit(limit))
    return [to_delivery(row) for row in found]


async def cancel_waiting(tx: Transaction, endpoint_id: UUID) -> None:
    """End all of an endpoint's deliveries that wait."""
    await tx.connection.execute(
        update(table)
        .where(table.c.endpoint_id == endpoint_id, table.c.state == DeliveryState.PENDING.name)
        .values(state=DeliveryState.CANCELLED.name, due_at=null())
    )


async def send_again(tx: Transaction, endpoint_id: UUID, delivery_id: UUID, now: datetime) -> list[UUID]:
    """Put one delivery back in line for a new round, whatever its state; WebhookNotFound. Return its id."""
    again = await _again(tx, now, table.c.endpoint_id == endpoint_id, table.c.delivery_id == delivery_id)
    if not again:
        raise WebhookNotFound
    return again


async def send_all_again(tx: Transaction, endpoint_id: UUID, since: datetime, now: datetime) -> list[UUID]:
    """Put all that did not arrive, of events since a time, back in line for a new round; return their ids."""
    return await _again(
        tx,
        now,
        table.c.endpoint_id == endpoint_id,
        table.c.created_at >= since,
        table.c.state != DeliveryState.DELIVERED.name,
    )


async def forget_ended(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete up to `limit` ended deliveries of events before a moment, with their logs; return how many."""
    old = select(table.c.delivery_id).where(table.c.created_at < before, table.c.state.in_(_ENDED)).limit(limit)
    return (await tx.connection.execute(delete(table).where(table.c.delivery_id.in_(old)))).rowcount


async def _again(tx: Transaction, now: datetime, *which: ColumnElement[bool]) -> list[UUID]:
    again = (
        update(table)
        .where(*which)
        .values(state=DeliveryState.PENDING.name, tries=0, due_at=now)
        .returning(table.c.delivery_id)
    )
    return list((await tx.connection.execute(again)).scalars())


def to_delivery(row: Row[Any], tried: tuple[Attempt, ...] = ()) -> Delivery:
    """Return a row of the table as a delivery."""
    return Delivery(
        delivery_id=row.delivery_id,
        endpoint_id=row.endpoint_id,
        tenant_id=row.tenant_id,
        event_id=row.event_id,
        topic=row.topic,
        body=row.body,
        state=DeliveryState[row.state],
        attempts=row.attempts,
        due_at=row.due_at,
        created_at=row.created_at,
        log=tried,
    )


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        attempted_at=row.attempted_at,
        url=row.url,
        status=row.status,
        latency_ms=row.latency_ms,
        response_excerpt=row.response_excerpt,
        error=row.error,
    )
