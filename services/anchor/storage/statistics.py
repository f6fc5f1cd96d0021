"""SQL on how the work goes: what the gauges and GetChainStatus show beside counts."""

from datetime import datetime

from sqlalchemy import func, select

from services.anchor.model import AnchorState, TreeState
from services.anchor.tables import anchor_trees, anchors, transactions
from services.common.database import Transaction

_RECENT = 100


async def oldest_pending(tx: Transaction, chain: str) -> datetime | None:
    """Return when the oldest root came that waits for a transaction to a chain; None when none does."""
    query = select(func.min(anchors.c.created_at)).where(
        anchors.c.state == AnchorState.PENDING.name, anchors.c.chain == chain
    )
    oldest: datetime | None = (await tx.connection.execute(query)).scalar_one()
    return oldest


async def newest_cost_per_root(tx: Transaction, *, chain_id: int, sender: str) -> int | None:
    """Return what a root cost in a sender's newest confirmed transaction, in wei, rounded up; None before the first.

    The trees are found by their nonces, of which there is an index.
    """
    recent = (
        select(anchor_trees.c.tx_hash, anchor_trees.c.size, anchor_trees.c.state, anchor_trees.c.nonce)
        .where(anchor_trees.c.chain_id == chain_id, anchor_trees.c.sender == sender)
        .order_by(anchor_trees.c.nonce.desc())
        .limit(_RECENT)
        .subquery()
    )
    query = (
        select(transactions.c.gas_used, transactions.c.gas_price_wei, recent.c.size)
        .join(recent, transactions.c.tx_hash == recent.c.tx_hash)
        .where(recent.c.state == TreeState.CONFIRMED.name, transactions.c.gas_price_wei.is_not(None))
        .order_by(recent.c.nonce.desc())
        .limit(1)
    )
    row = (await tx.connection.execute(query)).one_or_none()
    return None if row is None else -(-row.gas_used * int(row.gas_price_wei) // row.size)
