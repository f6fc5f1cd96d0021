"""Rows of batches: ordering, reading, and the changes that a request asks for. The issuing of units is in `issuing.py`.

Times of a batch are the database's (`now()`): leases and due times are compared across machines whose clocks differ.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, insert, null, select, text, update

from services.common.database import Transaction
from services.common.errors import BatchNotFound, ProductArchived, ProductNotFound, SigningKeyExhausted
from services.factory.model.batches import (
    NUMBERS_PER_KEY,
    OPEN,
    Batch,
    BatchAnchor,
    BatchFilter,
    BatchOrder,
    BatchPriority,
    BatchState,
    UnitRange,
)
from services.factory.model.listing import Order, Position
from services.factory.storage import listing
from services.factory.tables import batches, products, signing_keys

_ENSURE_PARTITION = text("SELECT factory.ensure_unit_partition(:unit_id)")


async def hold_orderable_product(tx: Transaction, tenant_id: UUID, product_id: UUID) -> None:
    """Make sure that a product takes batches until the transaction ends: archiving waits for it (FOR SHARE)."""
    row = (
        await tx.connection.execute(
            select(products.c.archived_at)
            .where(products.c.tenant_id == tenant_id, products.c.product_id == product_id)
            .with_for_update(read=True),
        )
    ).first()
    if row is None:
        raise ProductNotFound
    if row.archived_at is not None:
        raise ProductArchived


async def allocate_range(tx: Transaction, *, key_id: int, count: int) -> UnitRange:
    """Take the next `count` numbers of a signing key, and make the partitions that their units go to.

    Holds the key's row until the transaction ends, which is what keeps ranges apart. A rolled-back order gives its
    numbers back.
    """
    allocated = await tx.connection.execute(
        update(signing_keys)
        .where(signing_keys.c.key_id == key_id, signing_keys.c.next_number + count <= NUMBERS_PER_KEY)
        .values(next_number=signing_keys.c.next_number + count)
        .returning(signing_keys.c.next_number),
    )
    after = allocated.scalar_one_or_none()
    if after is None:
        raise SigningKeyExhausted(f"signing key {key_id} has no {count} numbers left; the operator must add a key")
    taken = UnitRange(key_id=key_id, first_number=after - count, count=count)
    for unit_id in taken.partition_starts():
        await ensure_partition(tx, unit_id)
    return taken


async def ensure_partition(tx: Transaction, unit_id: int) -> None:
    """Make the partition that a unit goes to; nothing happens when it exists."""
    await tx.connection.execute(_ENSURE_PARTITION, {"unit_id": unit_id})


async def add(
    tx: Transaction, *, batch_id: UUID, tenant_id: UUID, order: BatchOrder, taken: UnitRange, sandbox: bool
) -> Batch:
    """Store an order as a PENDING batch that is due at once."""
    row = {
        "batch_id": batch_id,
        "tenant_id": tenant_id,
        "product_id": order.product_id,
        "quantity": order.quantity,
        "state": BatchState.PENDING.name,
        "key_id": taken.key_id,
        "first_number": taken.first_number,
        "lot": order.lot,
        "manufactured_at": order.manufactured_at,
        "expires_at": order.expires_at,
        "metadata": dict(order.metadata),
        "sandbox": sandbox,
        "priority": order.priority.value,
        "chains": list(order.chains),
        "due_at": func.now(),
        "created_at": func.now(),
        "updated_at": func.now(),
    }
    return to_batch((await tx.connection.execute(insert(batches).values(row).returning(batches))).one())


async def get(tx: Transaction, tenant_id: UUID, batch_id: UUID) -> Batch:
    """Return a tenant's batch; BatchNotFound otherwise."""
    found = await tx.connection.execute(select(batches).where(*_is(tenant_id, batch_id)))
    return _one(found.first())


async def get_many(tx: Transaction, batch_ids: Sequence[UUID]) -> list[Batch]:
    """Return batches of any tenant by id, for readers that checked the tenant before."""
    return [
        to_batch(row) for row in await tx.connection.execute(select(batches).where(batches.c.batch_id.in_(batch_ids)))
    ]


async def page(
    tx: Transaction, tenant_id: UUID, wanted: BatchFilter, order: Order, *, after: Position | None, limit: int
) -> list[Batch]:
    """Return up to `limit` of a tenant's batches behind a position, by time: ids rise with it."""
    query = select(batches).where(batches.c.tenant_id == tenant_id)
    if wanted.product_id is not None:
        query = query.where(batches.c.product_id == wanted.product_id)
    if wanted.state is not None:
        query = query.where(batches.c.state == wanted.state.name)
    if wanted.lot:
        query = query.where(batches.c.lot == wanted.lot)
    if wanted.created_from is not None:
        query = query.where(batches.c.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        query = query.where(batches.c.created_at < wanted.created_to)
    query = listing.page(query, order, after, item_id=batches.c.batch_id)
    found = await tx.connection.execute(query.limit(limit))
    return [to_batch(row) for row in found]


async def hold(tx: Transaction, tenant_id: UUID, batch_id: UUID) -> Batch:
    """Return a tenant's batch and keep others from changing it until the transaction ends; BatchNotFound otherwise."""
    found = await tx.connection.execute(select(batches).where(*_is(tenant_id, batch_id)).with_for_update())
    return _one(found.first())


async def hold_any(tx: Transaction, batch_id: UUID) -> Batch:
    """Return any tenant's batch and keep others from changing it, for services that know batches by id alone."""
    found = await tx.connection.execute(select(batches).where(batches.c.batch_id == batch_id).with_for_update())
    return _one(found.first())


async def change_state(tx: Transaction, batch_id: UUID, state: BatchState, *, error: str = "") -> Batch:
    """Put a held batch into a state, without a lease and due at once: whoever worked on it finds the lease gone."""
    return await _change(
        tx,
        batch_id,
        state=state.name,
        error=error,
        lease_token=null(),
        lease_until=null(),
        attempts=0,
        due_at=func.now(),
    )


async def pause(tx: Transaction, batch_id: UUID) -> Batch:
    """Keep workers from a held batch: whoever works on it finds its lease gone at the next chunk."""
    return await _change(tx, batch_id, paused_at=func.now(), lease_token=null(), lease_until=null())


async def resume(tx: Transaction, batch_id: UUID) -> Batch:
    """Let workers take a held batch again, at once."""
    return await _change(tx, batch_id, paused_at=null(), attempts=0, due_at=func.now())


async def cancel(tx: Transaction, batch_id: UUID, root: bytes | None) -> Batch:
    """Cancel a held batch; `root` is that of the units it has, None when it has none."""
    return await _change(
        tx,
        batch_id,
        state=BatchState.CANCELLED.name,
        error="",
        merkle_root=root,
        paused_at=null(),
        lease_token=null(),
        lease_until=null(),
    )


async def complete_sandbox(tx: Transaction, batch_id: UUID) -> Batch:
    """Complete a held batch of a sandbox, whose root goes to no chain."""
    return await _change(
        tx,
        batch_id,
        state=BatchState.COMPLETED.name,
        lease_token=null(),
        lease_until=null(),
        completed_at=func.coalesce(batches.c.completed_at, func.now()),
    )


async def complete(tx: Transaction, batch_id: UUID, anchor: BatchAnchor) -> Batch:
    """Record the transaction that carries a held batch's root. Completed once, at the first confirmation."""
    return await _change(
        tx,
        batch_id,
        state=BatchState.COMPLETED.name,
        error="",
        anchor_tx_hash=anchor.tx_hash,
        anchor_block_number=anchor.block_number,
        anchor_chain_id=anchor.chain_id,
        lease_token=null(),
        lease_until=null(),
        completed_at=func.coalesce(batches.c.completed_at, func.now()),
    )


async def count_due(tx: Transaction, *, overdue: timedelta) -> int:
    """Return how many batches have waited longer than `overdue` for a worker, leased ones included."""
    return (
        await tx.connection.execute(
            select(func.count())
            .select_from(batches)
            .where(
                batches.c.state.in_([state.name for state in OPEN]),
                batches.c.due_at < func.now() - overdue,
            ),
        )
    ).scalar_one()


def to_batch(row: Row[Any]) -> Batch:
    """Return the batch of a row of all the table's columns."""
    anchored = row.anchor_tx_hash is not None
    return Batch(
        batch_id=row.batch_id,
        tenant_id=row.tenant_id,
        product_id=row.product_id,
        quantity=row.quantity,
        state=BatchState[row.state],
        issued_count=row.issued_count,
        lot=row.lot,
        manufactured_at=row.manufactured_at,
        expires_at=row.expires_at,
        metadata=row.metadata,
        range=UnitRange(key_id=row.key_id, first_number=row.first_number, count=row.quantity),
        facts=row.facts,
        merkle_root=row.merkle_root,
        anchor=BatchAnchor(row.anchor_tx_hash, row.anchor_block_number, row.anchor_chain_id) if anchored else None,
        error=row.error,
        created_at=row.created_at,
        updated_at=row.updated_at,
        completed_at=row.completed_at,
        sandbox=row.sandbox,
        priority=BatchPriority(row.priority),
        chains=tuple(row.chains),
        paused=row.paused_at is not None,
    )


async def _change(tx: Transaction, batch_id: UUID, **values: Any) -> Batch:
    changed = await tx.connection.execute(
        update(batches)
        .where(batches.c.batch_id == batch_id)
        .values(updated_at=func.now(), **values)
        .returning(batches),
    )
    return to_batch(changed.one())


def _one(row: Row[Any] | None) -> Batch:
    if row is None:
        raise BatchNotFound
    return to_batch(row)


def _is(tenant_id: UUID, batch_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return batches.c.tenant_id == tenant_id, batches.c.batch_id == batch_id
