"""SQL on dead letters."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Text, bindparam, delete, func, insert, select, update

from services.common.database import Transaction
from services.common.errors import DeadLetterNotFound
from services.factory.model.dead_letters import DeadLetter, Resolution
from services.factory.tables import dead_letters as table


async def add(tx: Transaction, letter: DeadLetter) -> None:
    """Keep work that was given up; it is kept exactly when the transaction is."""
    await tx.connection.execute(
        insert(table).values(
            dead_letter_id=letter.dead_letter_id,
            tenant_id=letter.tenant_id,
            kind=letter.kind,
            subject=letter.subject,
            cause=letter.cause,
            payload=dict(letter.payload),
            created_at=letter.created_at,
        )
    )


async def get(tx: Transaction, tenant_id: UUID, dead_letter_id: UUID, *, lock: bool = False) -> DeadLetter:
    """Return a tenant's dead letter; DeadLetterNotFound. `lock` keeps others from deciding about it."""
    query = select(table).where(table.c.tenant_id == tenant_id, table.c.dead_letter_id == dead_letter_id)
    row = (await tx.connection.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise DeadLetterNotFound
    return _letter(row)


async def page(
    tx: Transaction, tenant_id: UUID, *, kind: str, include_resolved: bool, below: UUID | None, limit: int
) -> list[DeadLetter]:
    """Return up to `limit` of a tenant's dead letters whose id is below `below`, newest first."""
    query = select(table).where(table.c.tenant_id == tenant_id)
    if kind:
        query = query.where(table.c.kind == kind)
    if not include_resolved:
        query = query.where(table.c.resolved_at.is_(None))
    if below is not None:
        query = query.where(table.c.dead_letter_id < below)
    found = await tx.connection.execute(query.order_by(table.c.dead_letter_id.desc()).limit(limit))
    return [_letter(row) for row in found]


async def hold_waiting(
    tx: Transaction, tenant_id: UUID, *, kind: str, since: datetime | None, limit: int
) -> list[DeadLetter]:
    """Return up to `limit` of a tenant's dead letters of a kind that wait, oldest first, and hold them.

    Those that another call holds are skipped: it decides about them.
    """
    query = _waiting(tenant_id, kind, since).order_by(table.c.dead_letter_id).limit(limit)
    return [_letter(row) for row in await tx.connection.execute(query.with_for_update(skip_locked=True))]


async def count_waiting(tx: Transaction, tenant_id: UUID, *, kind: str, since: datetime | None) -> int:
    """Return how many of a tenant's dead letters of a kind wait."""
    return (
        await tx.connection.execute(select(func.count()).select_from(_waiting(tenant_id, kind, since).subquery()))
    ).scalar_one()


async def resolve(
    tx: Transaction,
    tenant_id: UUID,
    subjects: Collection[str],
    resolution: Resolution,
    *,
    who: str,
    reason: str,
    now: datetime,
) -> list[DeadLetter]:
    """End what waits about some of a tenant's subjects; return it.

    What another call holds is left to that call: it decides about it, and may be waiting for a row of ours.
    """
    named = table.c.subject == func.any(bindparam("subjects", list(subjects), type_=ARRAY(Text)))
    free = (
        select(table.c.dead_letter_id)
        .where(named, table.c.tenant_id == tenant_id, table.c.resolved_at.is_(None))
        .with_for_update(skip_locked=True)
    )
    ended = (
        update(table)
        .where(table.c.dead_letter_id.in_(free))
        .values(resolved_at=now, resolution=resolution.value, resolved_by=who, reason=reason)
        .returning(table)
    )
    return [_letter(row) for row in await tx.connection.execute(ended)]


async def end(
    tx: Transaction, letter: DeadLetter, resolution: Resolution, *, who: str, reason: str, now: datetime
) -> None:
    """End one dead letter, whether or not something about its subject was settled by the way."""
    await tx.connection.execute(
        update(table)
        .where(table.c.tenant_id == letter.tenant_id, table.c.dead_letter_id == letter.dead_letter_id)
        .values(resolved_at=now, resolution=resolution.value, resolved_by=who, reason=reason)
    )


async def waiting(tx: Transaction) -> tuple[int, float]:
    """Return how many dead letters wait, of all tenants, and the age of the oldest in seconds."""
    row = (
        await tx.connection.execute(
            select(
                func.count(),
                func.coalesce(func.extract("epoch", func.now() - func.min(table.c.created_at)), 0),
            ).where(table.c.resolved_at.is_(None))
        )
    ).one()
    return row[0], float(row[1])


async def forget_resolved(tx: Transaction, before: datetime, limit: int) -> int:
    """Delete up to `limit` dead letters that were resolved before a moment; return how many."""
    old = select(table.c.dead_letter_id).where(table.c.resolved_at < before).limit(limit)
    return (await tx.connection.execute(delete(table).where(table.c.dead_letter_id.in_(old)))).rowcount


def _waiting(tenant_id: UUID, kind: str, since: datetime | None) -> Any:
    query = select(table).where(table.c.tenant_id == tenant_id, table.c.kind == kind, table.c.resolved_at.is_(None))
    return query if since is None else query.where(table.c.created_at >= since)


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=row.dead_letter_id,
        tenant_id=row.tenant_id,
        kind=row.kind,
        subject=row.subject,
        cause=row.cause,
        payload=row.payload,
        created_at=row.created_at,
        resolved_at=row.resolved_at,
        resolution=row.resolution,
        resolved_by=row.resolved_by,
        reason=row.reason,
    )
