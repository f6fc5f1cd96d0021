"""SQL on anchors: what the RPCs read and write."""

from collections.abc import Mapping, Sequence, Set
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    DateTime,
    LargeBinary,
    Row,
    Select,
    Text,
    Uuid,
    bindparam,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from services.anchor.model import Anchor, AnchorKind, AnchorState, Inclusion
from services.anchor.tables import anchor_trees, anchors, transactions
from services.common.database import Transaction

HASH_LENGTH = 32


_INSERT_MANY = text(
    """
    INSERT INTO anchor.anchors
        (anchor_id, batch_id, merkle_root, tree_size, kind, tenant_id, urgent, chain, position, state, created_at)
    SELECT anchor_id, batch_id, merkle_root, tree_size, kind, tenant_id, urgent, chain, 0, 'PENDING', created_at
    FROM unnest(:anchor_ids, :batch_ids, :merkle_roots, :tree_sizes, :kinds, :tenant_ids, :urgent, :chains, :created_at)
        AS new (anchor_id, batch_id, merkle_root, tree_size, kind, tenant_id, urgent, chain, created_at)
    ON CONFLICT DO NOTHING
    RETURNING anchor_id
    """
).bindparams(
    bindparam("anchor_ids", type_=ARRAY(Uuid)),
    bindparam("batch_ids", type_=ARRAY(Uuid)),
    bindparam("merkle_roots", type_=ARRAY(LargeBinary)),
    bindparam("tree_sizes", type_=ARRAY(BigInteger)),
    bindparam("kinds", type_=ARRAY(Text)),
    bindparam("tenant_ids", type_=ARRAY(Uuid)),
    bindparam("urgent", type_=ARRAY(Boolean)),
    bindparam("chains", type_=ARRAY(Text)),
    bindparam("created_at", type_=ARRAY(DateTime(timezone=True))),
)


async def insert_new(tx: Transaction, new: Sequence[Anchor]) -> Set[UUID]:
    """Add PENDING anchors, each for the only chain of its batch, in one statement; return the ids of those added.

    A batch that has an anchor keeps it. In the order of batches, so that two groups cannot wait for each other.
    """
    rows = sorted(new, key=lambda anchor: anchor.batch_id)
    added = await tx.connection.execute(
        _INSERT_MANY,
        {
            "anchor_ids": [anchor.anchor_id for anchor in rows],
            "batch_ids": [anchor.batch_id for anchor in rows],
            "merkle_roots": [anchor.merkle_root for anchor in rows],
            "tree_sizes": [anchor.tree_size for anchor in rows],
            "kinds": [anchor.kind.name for anchor in rows],
            "tenant_ids": [anchor.tenant_id for anchor in rows],
            "urgent": [anchor.urgent for anchor in rows],
            "chains": [anchor.chain for anchor in rows],
            "created_at": [anchor.created_at for anchor in rows],
        },
    )
    return set(added.scalars())


async def insert_if_new(tx: Transaction, anchor: Anchor, *, position: int = 0) -> bool:
    """Add an anchor unless its batch has one on that chain or at that position; return whether it was added."""
    row = {
        "anchor_id": anchor.anchor_id,
        "batch_id": anchor.batch_id,
        "merkle_root": anchor.merkle_root,
        "tree_size": anchor.tree_size,
        "kind": anchor.kind.name,
        "tenant_id": anchor.tenant_id,
        "urgent": anchor.urgent,
        "chain": anchor.chain,
        "position": position,
        "state": anchor.state.name,
        "created_at": anchor.created_at,
    }
    done = await tx.connection.execute(insert(anchors).values(row).on_conflict_do_nothing())
    return done.rowcount == 1


async def hurry(tx: Transaction, anchor_id: UUID) -> bool:
    """Make an anchor that has no tree yet urgent; return whether it was not before."""
    done = await tx.connection.execute(
        update(anchors)
        .where(anchors.c.anchor_id == anchor_id, anchors.c.tree_id.is_(None), ~anchors.c.urgent)
        .values(urgent=True)
    )
    return done.rowcount == 1


async def hold_batch(tx: Transaction, batch_id: UUID) -> None:
    """Let nobody else add chains to a batch until the transaction ends."""
    first = (anchors.c.batch_id == batch_id) & (anchors.c.position == 0)
    await tx.connection.execute(select(anchors.c.anchor_id).where(first).with_for_update())


async def anchors_by_batch(tx: Transaction, batch_id: UUID) -> Sequence[Anchor]:
    """Return the anchors of a batch, one a chain, in the order in which the chains were asked for."""
    query = _anchors().where(anchors.c.batch_id == batch_id).order_by(anchors.c.position)
    return [_anchor(row) for row in await tx.connection.execute(query)]


async def anchor_by_id(tx: Transaction, anchor_id: UUID) -> Anchor | None:
    """Return an anchor."""
    row = (await tx.connection.execute(_anchors().where(anchors.c.anchor_id == anchor_id))).one_or_none()
    return None if row is None else _anchor(row)


async def list_anchors(
    tx: Transaction, *, before: UUID | None, limit: int, state: AnchorState | None
) -> Sequence[Anchor]:
    """Return anchors in falling order of their ids: UUIDv7 makes that the order of submission."""
    query = _anchors().order_by(anchors.c.anchor_id.desc()).limit(limit)
    if before is not None:
        query = query.where(anchors.c.anchor_id < before)
    if state is not None:
        query = query.where(anchors.c.state == state.name)
    return [_anchor(row) for row in await tx.connection.execute(query)]


async def hold_anchor(tx: Transaction, anchor_id: UUID) -> Anchor | None:
    """Return an anchor that nobody else changes until the transaction ends."""
    query = _anchors().where(anchors.c.anchor_id == anchor_id).with_for_update(of=anchors)
    row = (await tx.connection.execute(query)).one_or_none()
    return None if row is None else _anchor(row)


async def retry_failed(tx: Transaction, anchor_id: UUID) -> None:
    """Put a FAILED anchor back in line and forget its failure's report."""
    await tx.connection.execute(
        update(anchors)
        .where(anchors.c.anchor_id == anchor_id, anchors.c.state == AnchorState.FAILED.name)
        .values(
            state=AnchorState.PENDING.name,
            error="",
            tree_id=None,
            leaf_index=None,
            inclusion_path=None,
            report_attempts=0,
            next_report_at=None,
            reported_at=None,
        )
    )


async def count_unfinished(tx: Transaction, chain: str) -> Mapping[AnchorState, int]:
    """Return how many anchors of a chain are in each state but CONFIRMED, which would count everything ever done."""
    states = [AnchorState.PENDING, AnchorState.SUBMITTED, AnchorState.FAILED]
    query = (
        select(anchors.c.state, func.count())
        .where(anchors.c.state.in_([state.name for state in states]), anchors.c.chain == chain)
        .group_by(anchors.c.state)
    )
    found = {AnchorState[name]: count for name, count in await tx.connection.execute(query)}
    return {state: found.get(state, 0) for state in states}


def _anchors() -> Select[Any]:
    return select(
        anchors,
        anchor_trees.c.size,
        anchor_trees.c.root,
        anchor_trees.c.chain_id,
        anchor_trees.c.contract,
        anchor_trees.c.tx_hash,
        transactions.c.block_number,
        transactions.c.gas_used,
        transactions.c.gas_price_wei,
    ).select_from(
        anchors.outerjoin(anchor_trees, anchors.c.tree_id == anchor_trees.c.tree_id).outerjoin(
            transactions, anchor_trees.c.tx_hash == transactions.c.tx_hash
        )
    )


def _anchor(row: Row[Any]) -> Anchor:
    return Anchor(
        anchor_id=row.anchor_id,
        batch_id=row.batch_id,
        merkle_root=row.merkle_root,
        tree_size=row.tree_size,
        state=AnchorState[row.state],
        error=row.error,
        created_at=row.created_at,
        confirmed_at=row.confirmed_at,
        inclusion=_inclusion(row),
        kind=AnchorKind[row.kind],
        urgent=row.urgent,
        tenant_id=row.tenant_id,
        chain=row.chain,
    )


def _inclusion(row: Row[Any]) -> Inclusion | None:
    if row.tx_hash is None:  # no tree yet, or one that nothing is signed for
        return None
    path: bytes = row.inclusion_path
    return Inclusion(
        leaf_index=row.leaf_index,
        tree_size=row.size,
        root=row.root,
        path=tuple(path[at : at + HASH_LENGTH] for at in range(0, len(path), HASH_LENGTH)),
        chain_id=row.chain_id,
        contract=row.contract,
        tx_hash=row.tx_hash,
        block_number=row.block_number or 0,
        cost_wei=None if row.gas_price_wei is None else -(-row.gas_used * int(row.gas_price_wei) // row.size),
    )
