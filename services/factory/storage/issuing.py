"""What a worker does to a batch, each statement bound to the lease that it holds.

A lease is a random token and a deadline on the row. Every statement names the token, so a worker that was taken for
dead (a long pause, a lost network) changes nothing once another has the batch: it gets LeaseLost and stops.
"""

from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from asyncpg.exceptions import UniqueViolationError
from sqlalchemy import func, null, or_, select, text, update

from services.common.database import Transaction
from services.common.errors import SigningKeyExhausted
from services.factory.model.batches import OPEN, TO_ANCHOR, TO_ISSUE, BatchState
from services.factory.model.issuing import Claim, FactsSource
from services.factory.storage.batches import to_batch
from services.factory.storage.copying import copy
from services.factory.tables import batches, issuing_turns, products, tenants

UNIT_COLUMNS: Final = ("unit_id", "batch_id", "serial")
"""The columns of a chunk's rows; the others have defaults."""
_PIECE_BYTES = 256 * 1024
_COMMIT_LAZILY = text("SET LOCAL synchronous_commit = off")
_FREE = (
    batches.c.due_at <= func.now(),
    batches.c.paused_at.is_(None),
    or_(batches.c.lease_until.is_(None), batches.c.lease_until <= func.now()),
)
# Not now(): two turns in transactions that began together are two turns.
_TAKE_TURN = text(
    """
    INSERT INTO factory.issuing_turns (tenant_id, turn_at) VALUES (:tenant_id, clock_timestamp())
    ON CONFLICT (tenant_id) DO UPDATE SET turn_at = clock_timestamp()
    """
)
_OPEN = [state.name for state in OPEN]


class LeaseLost(Exception):
    """Another worker has the batch, or the batch was cancelled. Nothing was written."""


async def claim_next(tx: Transaction, *, states: Collection[BatchState], token: UUID, lease: timedelta) -> Claim | None:
    """Take the next batch in one of `states` that is due and that nobody holds; None when there is none.

    Batches to issue: the tenant whose last turn is longest ago, of its batches the most urgent, then the oldest.
    Batches to anchor take no time of a worker: the one that has been due longest.
    """
    by_turns = not TO_ANCHOR.issuperset(states)
    order = (
        (issuing_turns.c.turn_at.asc().nulls_first(), batches.c.priority.desc(), batches.c.batch_id)
        if by_turns
        else (batches.c.due_at,)
    )
    due = (
        select(batches.c.batch_id)
        .join_from(batches, issuing_turns, batches.c.tenant_id == issuing_turns.c.tenant_id, isouter=True)
        .where(batches.c.state.in_([state.name for state in states]), *_FREE)
        .order_by(*order)
        .limit(1)
        .with_for_update(of=batches, skip_locked=True)
        .scalar_subquery()
    )
    claimed = await tx.connection.execute(
        update(batches)
        .where(batches.c.batch_id == due)
        .values(lease_token=token, lease_until=func.now() + lease, attempts=batches.c.attempts + 1)
        .returning(batches),
    )
    row = claimed.first()
    if row is None:
        return None
    if by_turns:
        await tx.connection.execute(_TAKE_TURN, {"tenant_id": row.tenant_id})
    return Claim(batch=to_batch(row), token=token, lease=lease, attempts=row.attempts)


async def others_wait(tx: Transaction, claim: Claim) -> bool:
    """Say whether a batch of another tenant, or a more urgent one of this tenant, waits for a worker to issue it."""
    batch = claim.batch
    waiting = (
        select(batches.c.batch_id)
        .where(
            batches.c.state.in_([state.name for state in TO_ISSUE]),
            *_FREE,
            or_(batches.c.tenant_id != batch.tenant_id, batches.c.priority > batch.priority.value),
        )
        .limit(1)
    )
    return (await tx.connection.execute(waiting)).first() is not None


async def read_facts_source(tx: Transaction, claim: Claim) -> FactsSource:
    """Return what the batch's facts say apart from the batch itself."""
    found = await tx.connection.execute(
        select(tenants.c.name.label("brand"), products.c.name, products.c.sku, products.c.gtin)
        .join_from(products, tenants, products.c.tenant_id == tenants.c.tenant_id)
        .where(products.c.product_id == claim.batch.product_id, products.c.tenant_id == claim.batch.tenant_id),
    )
    row = found.one()
    return FactsSource(brand=row.brand, product_name=row.name, sku=row.sku, gtin=row.gtin)


async def begin(tx: Transaction, claim: Claim, facts: str) -> None:
    """Freeze the facts, with the change from PENDING to ISSUING."""
    await _bound(tx, claim, state=BatchState.ISSUING.name, facts=facts, updated_at=func.now())


async def commit_lazily(tx: Transaction) -> None:
    """Let this transaction's commit be written with the next one that is waited for (`synchronous_commit = off`).

    For chunks before the last: a server that crashes may forget the newest of them with their cursor, tiles and units
    together, and the batch goes on from there. The last chunk's commit is waited for, and with it all before it.
    """
    await tx.connection.execute(_COMMIT_LAZILY)


async def advance(tx: Transaction, claim: Claim, *, start: int, count: int, seconds: float = 0.0) -> None:
    """Move the cursor over a chunk, and renew the lease. The chunk's units belong into the same transaction.

    `seconds` is how long the worker was at it, for estimates.
    """
    await _bound(
        tx,
        claim,
        cursor=start,
        issued_count=start + count,
        lease_until=func.now() + claim.lease,
        attempts=0,
        issuing_seconds=batches.c.issuing_seconds + seconds,
        updated_at=func.now(),
    )


async def copy_units(tx: Transaction, rows: bytes) -> None:
    """Write units from PostgreSQL's binary COPY format, columns as in UNIT_COLUMNS.

    SigningKeyExhausted when other units have the numbers.
    """
    try:
        await copy(tx, "units", UNIT_COLUMNS, lambda: _pieces(rows))
    except UniqueViolationError as error:
        # The signing key's counter was set back, by restoring a backup perhaps.
        raise SigningKeyExhausted(
            "the batch's numbers are taken by other units; the operator must repair the key's counter"
        ) from error


async def finish(tx: Transaction, claim: Claim, root: bytes) -> None:
    """Record the root of a batch whose units are all written: it waits for the chain now, and is due at once."""
    await _bound(
        tx,
        claim,
        state=BatchState.ANCHORING.name,
        merkle_root=root,
        due_at=func.now(),
        lease_token=null(),
        lease_until=null(),
        updated_at=func.now(),
    )


async def postpone(tx: Transaction, claim: Claim, delay: timedelta) -> None:
    """Give the batch back, not to be taken before `delay` has passed."""
    await _bound(tx, claim, due_at=func.now() + delay, lease_token=null(), lease_until=null())


async def fail(tx: Transaction, claim: Claim, state: BatchState, error: str) -> None:
    """Stop the batch; RetryBatch goes on."""
    await _bound(
        tx, claim, state=state.name, error=error, lease_token=null(), lease_until=null(), updated_at=func.now()
    )


async def _bound(tx: Transaction, claim: Claim, *, cursor: int | None = None, **values: Any) -> None:
    held = (
        batches.c.batch_id == claim.batch.batch_id,
        batches.c.lease_token == claim.token,
        batches.c.state.in_(_OPEN),
    )
    statement = update(batches).where(*held).values(**values)
    if cursor is not None:
        statement = statement.where(batches.c.issued_count == cursor)
    if (await tx.connection.execute(statement)).rowcount != 1:
        raise LeaseLost


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    """Yield the data in pieces: the server works on one while the next is on its way, and nobody buffers it whole."""
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]
