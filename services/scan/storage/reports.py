"""Consumers' reports: one statement each, with the watch that it puts on the unit and the notice for Factory."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.scan.model import Report, ReportedUnit
from services.scan.storage.connection import HeldConnection

# An id of version 7 begins with its time, which names the partitions to look in.
_SCANNED = """
SELECT unit_id, batch_id, tenant_id FROM scan.scan_events
WHERE verification_id = $1 AND scanned_at BETWEEN $2 AND $3
"""
_CLOCKS_DIFFER = timedelta(minutes=5)
_YEAR_3000 = 32_503_680_000_000  # in milliseconds; an id that is not ours may name any time

# All or nothing, and idempotent: whoever loses a race adds nothing and finds the winner's row on a second look.
_ADD = """
WITH before AS (
    SELECT report_id, unit_id, reason, details, request_id FROM scan.reports
    WHERE request_id = $10::uuid OR (unit_id = $2::bigint AND device_hash = $8::bytea)
    ORDER BY request_id = $10 DESC NULLS LAST LIMIT 1
), today AS (
    SELECT count(*) AS reports FROM scan.reports
    WHERE address_hash = $9 AND reported_at > $11::timestamptz - interval '1 day'
), added AS (
    INSERT INTO scan.reports (report_id, unit_id, batch_id, tenant_id, verification_id, reason, details, device_hash,
                              address_hash, request_id, reported_at)
    SELECT $1::uuid, $2, $3::uuid, $4::uuid, $5::uuid, $6::text, $7::text, $8, $9::bytea, $10, $11
    WHERE NOT EXISTS (SELECT FROM before) AND (SELECT reports FROM today) < $12::bigint
    ON CONFLICT DO NOTHING
    RETURNING report_id
), watched AS (
    INSERT INTO scan.unit_watch AS watch (unit_id, reports, since, last_report_at)
    SELECT $2, 1, $11, $11 FROM added
    ON CONFLICT (unit_id) DO UPDATE SET reports = watch.reports + 1, last_report_at = excluded.last_report_at
), noticed AS (
    INSERT INTO scan.notices (notice_id, kind, tenant_id, unit_id, batch_id, occurred_at, details)
    SELECT $1, 'REPORTED', $4, $2, $3, $11, jsonb_strip_nulls(jsonb_build_object(
        'report_id', $1::text, 'reason', $6::text, 'details', nullif($7, ''), 'verification_id', $5::text)) FROM added
)
SELECT (SELECT count(*) FROM added) AS added, (SELECT reports FROM today) AS today, before.*
FROM (SELECT) AS always LEFT JOIN before ON true
"""

_FORGET = "DELETE FROM scan.reports WHERE reported_at < $1"


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a report: it is there now, or `earlier` was there already, or neither, for too many came today."""

    added: bool
    earlier: "EarlierReport | None"
    reports_today: int


@dataclass(frozen=True, slots=True)
class EarlierReport:
    """A report that was there already: of this device about this unit, or of the same request."""

    report_id: UUID
    unit_id: int
    reason: str
    details: str
    request_id: UUID | None


async def unit_of_scan(connection: HeldConnection, verification_id: UUID) -> ReportedUnit | None:
    """Return the unit that a scan was of; None when there is no such scan."""
    milliseconds = verification_id.int >> 80
    if milliseconds > _YEAR_3000:
        return None
    made_at = datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    rows = await connection.fetch(_SCANNED, verification_id, made_at - _CLOCKS_DIFFER, made_at + _CLOCKS_DIFFER)
    return ReportedUnit(**dict(rows[0])) if rows else None


async def add(connection: HeldConnection, report: Report, *, most_per_address: int) -> Added:
    """Add a report unless there is one already, or its address sent `most_per_address` within a day."""
    [row] = await connection.fetch(
        _ADD,
        report.report_id,
        report.unit.unit_id,
        report.unit.batch_id,
        report.unit.tenant_id,
        report.verification_id,
        report.reason,
        report.details,
        report.device_hash,
        report.address_hash,
        report.request_id,
        report.reported_at,
        most_per_address,
    )
    earlier = row["report_id"] and EarlierReport(
        report_id=row["report_id"],
        unit_id=row["unit_id"],
        reason=row["reason"],
        details=row["details"],
        request_id=row["request_id"],
    )
    return Added(added=row["added"] == 1, earlier=earlier, reports_today=row["today"])


async def forget_before(connection: HeldConnection, moment: datetime) -> None:
    """Delete reports that are older."""
    await connection.fetch(_FORGET, moment)
