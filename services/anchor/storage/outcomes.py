"""SQL on outcomes that Factory has not acknowledged."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update

from services.anchor.model import AnchorState, Outcome
from services.anchor.tables import anchor_trees, anchors, transactions
from services.common.database import Transaction


async def due(tx: Transaction, *, now: datetime, limit: int) -> Sequence[Outcome]:
    """Return outcomes whose time has come, longest due first."""
    query = (
        select(
            anchors,
            anchor_trees.c.chain_id,
            anchor_trees.c.tx_hash,
            transactions.c.block_number,
        )
        .select_from(
            anchors.join(anchor_trees, anchors.c.tree_id == anchor_trees.c.tree_id).outerjoin(
                transactions, anchor_trees.c.tx_hash == transactions.c.tx_hash
            )
        )
        .where(anchors.c.next_report_at <= now, anchors.c.reported_at.is_(None))
        .order_by(anchors.c.next_report_at)
        .limit(limit)
    )
    return [
        Outcome(
            anchor_id=row.anchor_id,
            batch_id=row.batch_id,
            merkle_root=row.merkle_root,
            state=AnchorState[row.state],
            error=row.error,
            tx_hash=row.tx_hash,
            block_number=row.block_number or 0,
            chain_id=row.chain_id,
            attempts=row.report_attempts,
        )
        for row in await tx.connection.execute(query)
    ]


async def mark_reported(tx: Transaction, outcome: Outcome, *, now: datetime) -> None:
    """Note that Factory has taken this outcome. An anchor that a retry has moved on since keeps its place."""
    await tx.connection.execute(
        update(anchors)
        .where(
            anchors.c.anchor_id == outcome.anchor_id,
            anchors.c.state == outcome.state.name,
            anchors.c.next_report_at.is_not(None),
        )
        .values(reported_at=now, report_attempts=outcome.attempts + 1)
    )


async def postpone(tx: Transaction, outcome: Outcome, *, until: datetime) -> None:
    """Try again later."""
    await tx.connection.execute(
        update(anchors)
        .where(
            anchors.c.anchor_id == outcome.anchor_id,
            anchors.c.state == outcome.state.name,
            anchors.c.next_report_at.is_not(None),
        )
        .values(next_report_at=until, report_attempts=outcome.attempts + 1)
    )
