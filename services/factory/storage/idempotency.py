"""First answers of writes."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, LargeBinary, Text, Uuid, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from services.common.database import Transaction
from services.factory.tables import idempotency

LONGEST_WAIT_SECONDS = 5
"""How long a write waits for another transaction, the holder of its request_id included."""


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


async def claim(tx: Transaction, key: WriteKey, *, request_hash: bytes, now: datetime) -> FirstAnswer | None:
    """Take a request for this transaction: None when it is ours, else its first answer.

    While another transaction has it, the insert waits on the primary key: the row is the in-flight lock. It goes with
    the transaction, so that a failed write leaves nothing and the waiting one becomes the first. The wait has an end
    (ConcurrentUpdate), here and for every other lock of the transaction: it is set in the statement that may wait
    first, since a statement of its own would cost each write a round trip.
    """
    row = {
        idempotency.c.tenant_id: literal(key.tenant_id, Uuid),
        idempotency.c.method: literal(key.method, Text),
        idempotency.c.request_id: literal(key.request_id, Uuid),
        idempotency.c.request_hash: literal(request_hash, LargeBinary),
        idempotency.c.created_at: literal(now, DateTime(timezone=True)),
    }
    patience = func.set_config("lock_timeout", f"{LONGEST_WAIT_SECONDS}s", True).table_valued("patience")
    ours = (
        insert(idempotency)
        .from_select(list(row), select(*row.values()).select_from(patience))
        .on_conflict_do_nothing()
        .returning(idempotency.c.request_id)
    )
    if (await tx.connection.execute(ours)).first() is not None:
        return None
    first = (
        await tx.connection.execute(
            select(idempotency.c.request_hash, idempotency.c.response).where(*_is(key)),
        )
    ).one()
    return FirstAnswer(request_hash=first.request_hash, response=first.response)


async def remember(tx: Transaction, key: WriteKey, response: bytes) -> None:
    """Keep the answer of a request that this transaction took."""
    await tx.connection.execute(update(idempotency).where(*_is(key)).values(response=response))


async def forget_before(tx: Transaction, moment: datetime) -> int:
    """Delete the answers given before a moment; return how many there were."""
    return (await tx.connection.execute(delete(idempotency).where(idempotency.c.created_at < moment))).rowcount


def _is(key: WriteKey) -> tuple[ColumnElement[bool], ...]:
    return (
        idempotency.c.tenant_id == key.tenant_id,
        idempotency.c.method == key.method,
        idempotency.c.request_id == key.request_id,
    )
