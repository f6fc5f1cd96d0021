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
# One statement: the notices of a stretch of the ledger, and the cursor behind it. A unit has one notice a day, however
# often its copies are scanned: the id is made of both.
_FROM_LEDGER = """
WITH place AS (
    SELECT next_index FROM scan.ledger_cursors WHERE consumer = 'notices' FOR UPDATE
), stretch AS (
    SELECT entry.entry_index, event.* FROM place
    JOIN scan.ledger_entries AS entry
        ON entry.entry_index >= place.next_index AND entry.entry_index < place.next_index + $1
    JOIN scan.scan_events AS event USING (verification_id, scanned_at)
), noticed AS (
    INSERT INTO scan.notices (notice_id, kind, tenant_id, unit_id, batch_id, occurred_at, details)
    SELECT DISTINCT ON (unit_id, (scanned_at AT TIME ZONE 'UTC')::date)
        md5('high-risk ' || unit_id || ' ' || (scanned_at AT TIME ZONE 'UTC')::date)::uuid, 'HIGH_RISK', tenant_id,
        unit_id, batch_id, scanned_at,
        jsonb_build_object('verification_id', verification_id::text, 'risk_score', risk_score::text,
                           'risk_factors', array_to_string(risk_factors, ','))
    FROM stretch WHERE verdict = 3 ORDER BY unit_id, (scanned_at AT TIME ZONE 'UTC')::date, entry_index
    ON CONFLICT DO NOTHING
), done AS (SELECT count(*) AS entries FROM stretch)
UPDATE scan.ledger_cursors SET next_index = place.next_index + done.entries FROM place, done
WHERE consumer = 'notices' RETURNING done.entries
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


async def note_high_risk(connection: HeldConnection, entries: int) -> int:
    """Make notices of the next entries of the ledger whose verdict was high risk; return how many entries that were."""
    [row] = await connection.fetch(_FROM_LEDGER, entries)
    return int(row["entries"])


async def mark_sent(connection: HeldConnection, notice_ids: Sequence[UUID], now: datetime) -> None:
    """Note that Factory has taken them."""
    await connection.fetch(_SENT, notice_ids, now)


async def forget_sent_before(connection: HeldConnection, moment: datetime) -> None:
    """Delete notices that were taken earlier."""
    await connection.fetch(_FORGET, moment)
