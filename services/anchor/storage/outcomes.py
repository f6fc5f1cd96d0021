"""SQL on outcomes that Factory has not acknowledged."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Update, bindparam, select, update

from services.anchor.model import AnchorState, Outcome
from services.anchor.tables import anchor_trees, anchors, transactions
from services.common.database import Transaction

_HEARD = (anchors.c.kind == "BATCH", anchors.c.position == 0, anchors.c.state == AnchorState.CONFIRMED.name)
"""What Factory hears of: that a batch's root is confirmed, on the chain that completes it."""


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
        .where(anchors.c.next_report_at <= now, anchors.c.reported_at.is_(None), *_HEARD)
        .order_by(anchors.c.next_report_at)
        .limit(limit)
    )
    return [
        Outcome(
            anchor_id=row.anchor_id,
            batch_id=row.batch_id,
            merkle_root=row.merkle_root,
            state=AnchorState[row.state],
            tx_hash=row.tx_hash,
            block_number=row.block_number or 0,
            chain_id=row.chain_id,
            attempts=row.report_attempts,
        )
        for row in await tx.connection.execute(query)
    ]


async def mark_reported(tx: Transaction, taken: Sequence[Outcome], *, now: datetime) -> None:
    """Note that Factory has taken these outcomes. An anchor that a retry has moved on since keeps its place."""
    if taken:
        await tx.connection.execute(_still_waiting().values(reported_at=now), [_key(outcome) for outcome in taken])


async def postpone(tx: Transaction, later: Mapping[Outcome, datetime]) -> None:
    """Try these again at their times."""
    if later:
        await tx.connection.execute(
            _still_waiting().values(next_report_at=bindparam("until")),
            [_key(outcome) | {"until": until} for outcome, until in later.items()],
        )


def _still_waiting() -> Update:
    return (
        update(anchors)
        .where(
            anchors.c.anchor_id == bindparam("id"),
            anchors.c.state == bindparam("was"),
            anchors.c.next_report_at.is_not(None),
        )
        .values(report_attempts=bindparam("attempts"))
    )


def _key(outcome: Outcome) -> dict[str, Any]:
    return {"id": outcome.anchor_id, "was": outcome.state.name, "attempts": outcome.attempts + 1}
