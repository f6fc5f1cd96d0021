"""SQL on signed transactions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from services.anchor.chain_types import AnchoredEvent, Fees, SignedTransaction, SizedRoot, TransactionReceipt
from services.anchor.model import Attempt, TransactionState
from services.anchor.tables import anchor_trees, transactions
from services.common.database import Transaction


async def insert_signed(tx: Transaction, tree_id: UUID, signed: SignedTransaction, *, now: datetime) -> None:
    """Store an attempt before anybody is told of it; it becomes its tree's transaction."""
    await tx.connection.execute(
        insert(transactions).values(
            tx_hash=signed.tx_hash,
            tree_id=tree_id,
            raw=signed.raw,
            gas_limit=signed.gas_limit,
            max_fee_wei=signed.fees.max_wei,
            priority_fee_wei=signed.fees.priority_wei,
            state=TransactionState.SIGNED.name,
            signed_at=now,
        )
    )
    await _point(tx, tree_id, signed.tx_hash)


async def attempts_of(tx: Transaction, tree_id: UUID) -> Sequence[Attempt]:
    """Return a tree's attempts, newest first."""
    query = (
        select(transactions)
        .where(transactions.c.tree_id == tree_id)
        .order_by(transactions.c.signed_at.desc(), transactions.c.tx_hash)
    )
    return [_attempt(row) for row in await tx.connection.execute(query)]


async def root_of(tx: Transaction, tx_hash: str) -> SizedRoot | None:
    """Return the root, with its size, that a transaction of ours is to write; None for one that is in no book."""
    query = (
        select(anchor_trees.c.root, anchor_trees.c.size)
        .select_from(transactions.join(anchor_trees, transactions.c.tree_id == anchor_trees.c.tree_id))
        .where(transactions.c.tx_hash == tx_hash)
    )
    row = (await tx.connection.execute(query)).one_or_none()
    return None if row is None else SizedRoot(row.root, row.size)


async def mark_broadcast(tx: Transaction, tx_hash: str, *, now: datetime) -> None:
    """SIGNED -> BROADCAST."""
    await tx.connection.execute(
        update(transactions)
        .where(transactions.c.tx_hash == tx_hash, transactions.c.state == TransactionState.SIGNED.name)
        .values(state=TransactionState.BROADCAST.name, broadcast_at=now)
    )


async def mark_mined(tx: Transaction, tree_id: UUID, receipt: TransactionReceipt, *, now: datetime) -> bool:
    """Note the block of a transaction; it becomes its tree's transaction. Return whether it was not noted yet."""
    block: dict[str, Any] = {
        "state": TransactionState.MINED.name,
        "block_number": receipt.block_number,
        "block_hash": receipt.block_hash,
        "gas_used": receipt.gas_used,
        "gas_price_wei": receipt.gas_price_wei,
        "mined_at": now,
    }
    noted = (transactions.c.state == TransactionState.MINED.name) & (transactions.c.block_hash == receipt.block_hash)
    done = await tx.connection.execute(
        update(transactions).where(transactions.c.tx_hash == receipt.tx_hash, noted.is_not(True)).values(block)
    )
    await _point(tx, tree_id, receipt.tx_hash)
    return done.rowcount == 1


async def adopt(tx: Transaction, tree_id: UUID, event: AnchoredEvent, *, now: datetime) -> None:
    """Take up a transaction that anchored a tree's root and is not in our books, such as a lost replacement."""
    row = {
        "tx_hash": event.tx_hash,
        "tree_id": tree_id,
        "state": TransactionState.MINED.name,
        "block_number": event.block_number,
        "block_hash": event.block_hash,
        "signed_at": now,
        "mined_at": now,
    }
    await tx.connection.execute(insert(transactions).values(row).on_conflict_do_nothing())
    await _point(tx, tree_id, event.tx_hash)


async def mark_vanished(tx: Transaction, tree_id: UUID, *, now: datetime) -> None:
    """MINED or CONFIRMED -> BROADCAST without a block, for a tree whose transaction a reorganisation threw out.

    It counts as broadcast now: its time in the block was not time in which it was stuck.
    """
    await tx.connection.execute(
        update(transactions)
        .where(
            transactions.c.tree_id == tree_id,
            transactions.c.state.in_([TransactionState.MINED.name, TransactionState.CONFIRMED.name]),
        )
        .values(
            state=TransactionState.BROADCAST.name,
            broadcast_at=now,
            block_number=None,
            block_hash=None,
            mined_at=None,
            confirmed_at=None,
        )
    )


async def settle(tx: Transaction, tree_id: UUID, final: TransactionState, *, tx_hash: str, now: datetime) -> None:
    """Set the tree's one mined transaction to its final state, and DROP all other attempts."""
    of_tree = transactions.c.tree_id == tree_id
    confirmed_at = now if final is TransactionState.CONFIRMED else None
    await tx.connection.execute(
        update(transactions)
        .where(of_tree, transactions.c.tx_hash == tx_hash)
        .values(state=final.name, confirmed_at=confirmed_at)
    )
    await tx.connection.execute(
        update(transactions)
        .where(of_tree, transactions.c.tx_hash != tx_hash)
        .values(state=TransactionState.DROPPED.name)
    )


async def mark_reverted(tx: Transaction, tx_hash: str) -> None:
    """Note of a transaction that it was executed and refused, where its root was anchored by another one."""
    await tx.connection.execute(
        update(transactions).where(transactions.c.tx_hash == tx_hash).values(state=TransactionState.REVERTED.name)
    )


async def drop_all(tx: Transaction, tree_id: UUID) -> None:
    """Give up every attempt of a tree whose nonce another transaction has used for good."""
    await tx.connection.execute(
        update(transactions).where(transactions.c.tree_id == tree_id).values(state=TransactionState.DROPPED.name)
    )


async def _point(tx: Transaction, tree_id: UUID, tx_hash: str) -> None:
    await tx.connection.execute(update(anchor_trees).where(anchor_trees.c.tree_id == tree_id).values(tx_hash=tx_hash))


def _attempt(row: Row[Any]) -> Attempt:
    priority = row.priority_fee_wei
    return Attempt(
        tx_hash=row.tx_hash,
        raw=row.raw,
        gas_limit=row.gas_limit,
        fees=None
        if row.max_fee_wei is None
        else Fees(int(row.max_fee_wei), None if priority is None else int(priority)),
        state=TransactionState[row.state],
        block_hash=row.block_hash,
        signed_at=row.signed_at,
        broadcast_at=row.broadcast_at,
    )
