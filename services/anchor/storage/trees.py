"""SQL on anchor trees: what the writer does to the anchors under them, a tree at a time.

Every change of a tree says which state it starts from, so that a step that was done already, by this worker before it
was killed or by another one, changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Row, Update, Uuid, bindparam, cast, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from services.anchor.model import (
    DRY,
    DRY_CHAIN_ID,
    AnchorKind,
    AnchorState,
    BuiltTree,
    Leaf,
    TransactionState,
    Tree,
    TreeState,
    Waiting,
)
from services.anchor.tables import anchor_trees, anchors, transactions
from services.common.database import Transaction
from services.common.errors import ConcurrentUpdate

_SUSPECTS = 100
_WAITING = (anchors.c.state == AnchorState.PENDING.name) & anchors.c.tree_id.is_(None)


async def waiting(tx: Transaction, chain: str) -> Waiting | None:
    """Return what has no tree yet on a chain; None when nothing waits."""
    query = (
        select(
            anchors.c.kind,
            func.count().label("roots"),
            func.min(anchors.c.created_at).label("oldest"),
            func.bool_or(anchors.c.urgent).label("urgent"),
        )
        .where(_WAITING, anchors.c.chain == chain)
        .group_by(anchors.c.kind)
    )
    rows = (await tx.connection.execute(query)).all()
    if not rows:
        return None
    return Waiting(
        counts={AnchorKind[row.kind]: row.roots for row in rows},
        oldest=min(row.oldest for row in rows),
        urgent=any(row.urgent for row in rows),
    )


async def take_waiting(tx: Transaction, limit: int, *, chain: str) -> list[tuple[UUID, Leaf]]:
    """Lock anchors that have no tree yet on a chain, for the tree that this transaction makes.

    Tenants take turns: first the first of every tenant, then the second of each, and so on, so that nobody's thousands
    stand before somebody's one. Within a tenant the urgent ones come first, then the oldest. So urgency never costs
    another tenant a place. Taking turns numbers everything that waits; a hundred thousand roots take 0.2 s of that.
    """
    of_tenant = func.row_number().over(
        partition_by=anchors.c.tenant_id, order_by=[anchors.c.urgent.desc(), anchors.c.anchor_id]
    )
    turns = (
        select(anchors.c.anchor_id)
        .where(_WAITING, anchors.c.chain == chain)
        .order_by(of_tenant, anchors.c.urgent.desc(), anchors.c.anchor_id)
    )
    # Two statements: a numbered row cannot be locked, and a join of both is planned as a loop over all pairs while the
    # table is new.
    ids = (await tx.connection.execute(turns.limit(limit))).scalars().all()
    query = (
        select(anchors.c.anchor_id, anchors.c.merkle_root, anchors.c.tree_size, anchors.c.kind)
        .where(_WAITING, anchors.c.anchor_id == func.any(cast(ids, ARRAY(Uuid))))
        .with_for_update(skip_locked=True)
    )
    locked = {row.anchor_id: row for row in await tx.connection.execute(query)}
    rows = [locked[anchor_id] for anchor_id in ids if anchor_id in locked]
    return [(row.anchor_id, Leaf(row.merkle_root, row.tree_size, AnchorKind[row.kind])) for row in rows]


async def insert_tree(
    tx: Transaction, tree: Tree, built: BuiltTree, anchor_ids: Sequence[UUID], *, now: datetime
) -> None:
    """Add a tree over the anchors, which `take_waiting` locked, in the order of its leaves."""
    await tx.connection.execute(
        insert(anchor_trees).values(
            tree_id=tree.tree_id,
            root=tree.root,
            size=tree.size,
            state=TreeState.COLLECTED.name,
            chain_id=tree.chain_id,
            created_at=now,
        )
    )
    place = (
        update(anchors)
        .where(anchors.c.anchor_id == bindparam("id"))
        .values(tree_id=tree.tree_id, leaf_index=bindparam("index"), inclusion_path=bindparam("path"))
    )
    rows = [
        {"id": anchor_id, "index": index, "path": b"".join(built.paths[index])}
        for index, anchor_id in enumerate(anchor_ids)
    ]
    await tx.connection.execute(place, rows)


async def collected(tx: Transaction, *, chain_id: int) -> Sequence[Tree]:
    """Return the trees of a chain that nothing is signed for, oldest first."""
    return await _unsettled(tx, chain_id, TreeState.COLLECTED)


async def submitted(tx: Transaction, *, chain_id: int, contract: str) -> Sequence[Tree]:
    """Return the trees under way to a contract, oldest first. Those of a former contract stay as they are: what became
    of them is not to be read from this one.
    """
    return await _unsettled(tx, chain_id, TreeState.SUBMITTED, anchor_trees.c.contract == contract)


async def _unsettled(
    tx: Transaction, chain_id: int, state: TreeState, *conditions: ColumnElement[bool]
) -> Sequence[Tree]:
    query = (
        select(anchor_trees, transactions.c.state.label("transaction_state"))
        .select_from(anchor_trees.outerjoin(transactions, anchor_trees.c.tx_hash == transactions.c.tx_hash))
        .where(
            anchor_trees.c.settled_at.is_(None),
            anchor_trees.c.state == state.name,
            anchor_trees.c.chain_id == chain_id,
            *conditions,
        )
        .order_by(anchor_trees.c.created_at, anchor_trees.c.tree_id)
    )
    return [_tree(row) for row in await tx.connection.execute(query)]


async def confirmed_from(
    tx: Transaction, *, chain_id: int, contract: str, sender: str, nonce: int
) -> Sequence[tuple[Tree, str, int]]:
    """Return the confirmed trees of a sender from a nonce on, lowest first, each with its transaction and block."""
    query = (
        select(anchor_trees, transactions.c.state.label("transaction_state"), transactions.c.block_number)
        .select_from(anchor_trees.join(transactions, anchor_trees.c.tx_hash == transactions.c.tx_hash))
        .where(
            anchor_trees.c.chain_id == chain_id,
            anchor_trees.c.sender == sender,
            anchor_trees.c.nonce >= nonce,
            anchor_trees.c.contract == contract,
            anchor_trees.c.state == TreeState.CONFIRMED.name,
        )
        .order_by(anchor_trees.c.nonce)
        .limit(_SUSPECTS)
    )
    return [(_tree(row), row.tx_hash, row.block_number) for row in await tx.connection.execute(query)]


async def highest_nonce(tx: Transaction, *, chain_id: int, sender: str) -> int | None:
    """Return the highest nonce that any tree of this sender has."""
    query = select(func.max(anchor_trees.c.nonce)).where(
        anchor_trees.c.chain_id == chain_id, anchor_trees.c.sender == sender
    )
    highest: int | None = (await tx.connection.execute(query)).scalar_one()
    return highest


async def states_of_nonce(tx: Transaction, *, chain_id: int, sender: str, nonce: int) -> set[TreeState]:
    """Return the state of the tree that has a nonce, if one has."""
    query = select(anchor_trees.c.state).where(
        anchor_trees.c.chain_id == chain_id, anchor_trees.c.sender == sender, anchor_trees.c.nonce == nonce
    )
    return {TreeState[state] for state in (await tx.connection.execute(query)).scalars()}


async def last_block(tx: Transaction, *, chain_id: int) -> int:
    """Return the highest block in which a transaction of ours was seen, 0 for none."""
    query = (
        select(func.coalesce(func.max(transactions.c.block_number), 0))
        .select_from(transactions.join(anchor_trees, transactions.c.tree_id == anchor_trees.c.tree_id))
        .where(anchor_trees.c.chain_id == chain_id)
    )
    highest: int = (await tx.connection.execute(query)).scalar_one()
    return highest


async def give_nonce(tx: Transaction, tree_id: UUID, *, contract: str, sender: str, nonce: int) -> bool:
    """COLLECTED -> SUBMITTED with its nonce for life, anchors too; return False when it has one already.

    ConcurrentUpdate when another tree has the nonce.
    """
    change = _change(tree_id, TreeState.COLLECTED, TreeState.SUBMITTED).values(
        contract=contract, sender=sender, nonce=nonce
    )
    try:
        given = await tx.connection.execute(change)
    except IntegrityError as error:  # a worker that had not noticed yet that it is no longer the owner
        raise ConcurrentUpdate from error
    if given.rowcount != 1:
        return False
    on_its_way = _change_anchors(tree_id, AnchorState.PENDING, AnchorState.SUBMITTED)
    await tx.connection.execute(on_its_way.values(error=""))
    return True


async def confirm(tx: Transaction, tree_id: UUID, *, now: datetime) -> int:
    """SUBMITTED -> CONFIRMED, anchors too, each with an outcome to report; return how many anchors that were."""
    change = _change(tree_id, TreeState.SUBMITTED, TreeState.CONFIRMED).values(settled_at=now)
    if (await tx.connection.execute(change)).rowcount != 1:
        return 0
    confirmed = _change_anchors(tree_id, AnchorState.SUBMITTED, AnchorState.CONFIRMED)
    return (await tx.connection.execute(confirmed.values(confirmed_at=now, next_report_at=now))).rowcount


async def hold_submitted(tx: Transaction, tree_id: UUID) -> bool:
    """Keep others from a SUBMITTED tree until the transaction ends; return whether it still is one.

    A worker that lost its right in the middle of a question to the chain may write its answer after its successor is
    through with the tree.
    """
    query = (
        select(anchor_trees.c.tree_id)
        .where(anchor_trees.c.tree_id == tree_id, anchor_trees.c.state == TreeState.SUBMITTED.name)
        .with_for_update()
    )
    return (await tx.connection.execute(query)).one_or_none() is not None


async def explain(tx: Transaction, tree_id: UUID, error: str) -> None:
    """Say of a tree's anchors what happened to them while they stay where they are; an empty text takes it back."""
    await tx.connection.execute(
        update(anchors).where(anchors.c.tree_id == tree_id, anchors.c.error != error).values(error=error)
    )


async def put_back(tx: Transaction, tree_id: UUID, after: TreeState, *, error: str, now: datetime) -> int:
    """SUBMITTED -> FAILED or ABANDONED; its anchors go back to the line, each with the reason; return how many.

    The tree keeps its nonce, which is used up.
    """
    change = _change(tree_id, TreeState.SUBMITTED, after).values(settled_at=now)
    if (await tx.connection.execute(change)).rowcount != 1:
        return 0
    back = _change_anchors(tree_id, AnchorState.SUBMITTED, AnchorState.PENDING)
    return (
        await tx.connection.execute(back.values(tree_id=None, leaf_index=None, inclusion_path=None, error=error))
    ).rowcount


async def rehearse(tx: Transaction, *, now: datetime) -> int:
    """COLLECTED -> CONFIRMED for the trees of the dry chain, anchors too; return how many anchors that were."""
    mine = (anchor_trees.c.chain_id == DRY_CHAIN_ID) & (anchor_trees.c.state == TreeState.COLLECTED.name)
    done = await tx.connection.execute(
        update(anchor_trees)
        .where(mine)
        .values(state=TreeState.CONFIRMED.name, contract="", tx_hash=DRY, settled_at=now)
        .returning(anchor_trees.c.tree_id)
    )
    confirmed = 0
    for tree_id in done.scalars().all():
        change = _change_anchors(tree_id, AnchorState.PENDING, AnchorState.CONFIRMED)
        confirmed += (await tx.connection.execute(change.values(confirmed_at=now, next_report_at=now))).rowcount
    return confirmed


async def reopen(tx: Transaction, tree_id: UUID) -> None:
    """CONFIRMED -> SUBMITTED, anchors too; their next outcome is reported anew."""
    change = _change(tree_id, TreeState.CONFIRMED, TreeState.SUBMITTED).values(settled_at=None)
    if (await tx.connection.execute(change)).rowcount == 1:
        again = _change_anchors(tree_id, AnchorState.CONFIRMED, AnchorState.SUBMITTED)
        await tx.connection.execute(
            again.values(confirmed_at=None, report_attempts=0, next_report_at=None, reported_at=None)
        )


def _change(tree_id: UUID, before: TreeState, after: TreeState) -> Update:
    return (
        update(anchor_trees)
        .where(anchor_trees.c.tree_id == tree_id, anchor_trees.c.state == before.name)
        .values(state=after.name)
    )


def _change_anchors(tree_id: UUID, before: AnchorState, after: AnchorState) -> Update:
    return update(anchors).where(anchors.c.tree_id == tree_id, anchors.c.state == before.name).values(state=after.name)


def _tree(row: Row[Any]) -> Tree:
    return Tree(
        tree_id=row.tree_id,
        root=row.root,
        size=row.size,
        chain_id=row.chain_id,
        sender=row.sender,
        nonce=row.nonce,
        mined=row.transaction_state == TransactionState.MINED.name,
    )
