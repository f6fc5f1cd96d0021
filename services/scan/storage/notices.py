"""Notices for Factory: what its webhooks tell partners about units. They wait here until Factory has taken them."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.scan.model import Notice, NoticeKind
from services.scan.storage.connection import HeldConnection

_WAITING = """
SELECT notice_id, kind, tenant_id, unit_id, batch_id, occurred_at, details FROM scan.notices
WHERE sent_at IS NULL ORDER BY occurred_at, notice_id LIMIT $1
"""
_SENT = "UPDATE scan.notices SET sent_at = $2 WHERE notice_id = ANY($1::uuid[])"
_FORGET = "DELETE FROM scan.notices WHERE sent_at < $1"


async def waiting(connection: HeldConnection, limit: int) -> list[Notice]:
    """Return the oldest notices that Factory has not taken."""
    rows = await connection.fetch(_WAITING, limit)
    return [
        Notice(
            notice_id=row["notice_id"],
            kind=NoticeKind[row["kind"]],
            tenant_id=row["tenant_id"],
            unit_id=row["unit_id"],
            batch_id=row["batch_id"],
            occurred_at=row["occurred_at"],
            details=json.loads(row["details"]),
        )
        for row in rows
    ]


async def mark_sent(connection: HeldConnection, notice_ids: Sequence[UUID], now: datetime) -> None:
    """Note that Factory has taken them."""
    await connection.fetch(_SENT, notice_ids, now)


async def forget_sent_before(connection: HeldConnection, moment: datetime) -> None:
    """Delete notices that were taken earlier."""
    await connection.fetch(_FORGET, moment)
