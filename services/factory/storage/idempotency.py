"""First answers of writes."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select

from services.common.database import Transaction
from services.factory.tables import idempotency

# As the driver takes it: every write has it, and SQLAlchemy's own form takes 2 % of a GetBatch more.
_KEEP = """
INSERT INTO factory.idempotency (tenant_id, method, request_id, request_hash, response, created_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class WriteKey:
    """What makes a request one of a kind."""

    tenant_id: UUID
    method: str
    request_id: UUID


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What a request was answered with, and the SHA-256 of the request."""

    request_hash: bytes
    response: bytes


async def keep(tx: Transaction, key: WriteKey, *, request_hash: bytes, response: bytes, now: datetime) -> bool:
    """Keep the answer of a request; False when it has one already.

    While another transaction has made an answer and is not over, this waits on the primary key for its end.
    """
    row = (key.tenant_id, key.method, key.request_id, request_hash, response, now)
    return (await tx.connection.exec_driver_sql(_KEEP, row)).rowcount == 1


async def first_answer(tx: Transaction, key: WriteKey) -> FirstAnswer | None:
    """Return what a request was answered with, None for one that was not."""
    row = (
        await tx.connection.execute(select(idempotency.c.request_hash, idempotency.c.response).where(*_is(key)))
    ).one_or_none()
    return None if row is None else FirstAnswer(request_hash=row.request_hash, response=row.response)


async def forget_before(tx: Transaction, moment: datetime) -> int:
    """Delete the answers given before a moment; return how many there were."""
    return (await tx.connection.execute(delete(idempotency).where(idempotency.c.created_at < moment))).rowcount


def _is(key: WriteKey) -> tuple[ColumnElement[bool], ...]:
    return (
        idempotency.c.tenant_id == key.tenant_id,
        idempotency.c.method == key.method,
        idempotency.c.request_id == key.request_id,
    )
