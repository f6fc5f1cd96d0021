"""Scan events and the counters of units: written together in one statement, read back when the hot state is away."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from services.scan.model import ScanCount, ScanEvent
from services.scan.storage.connection import HeldConnection

# One statement, so one transaction and one round trip for all of them. Counters are taken in the order of their keys:
# two processes that flush at once wait for each other and never in a circle. Factors travel as joined text because
# unnest would flatten an array of arrays.
_RECORD = """
WITH incoming AS (
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::smallint[], $6::smallint[],
                         $7::text[], $8::text[], $9::bytea[], $10::bytea[], $11::boolean[], $12::uuid[],
                         $13::uuid[], $14::text[], $15::boolean[])
    AS event (verification_id, unit_id, batch_id, scanned_at, verdict, risk_score, risk_factors, country,
              device_hash, address_hash, degraded, tenant_id, product_id, cell, duplicate)
), recorded AS (
    INSERT INTO scan.scan_events (verification_id, unit_id, batch_id, scanned_at, verdict, risk_score, risk_factors,
                                  country, device_hash, address_hash, degraded, tenant_id, product_id, cell, duplicate)
    SELECT verification_id, unit_id, batch_id, scanned_at, verdict, risk_score, string_to_array(risk_factors, ','),
           country, device_hash, address_hash, degraded, tenant_id, product_id, cell, duplicate
    FROM incoming
)
INSERT INTO scan.unit_scans AS counter (unit_id, first_scan_at, last_scan_at, total_scans)
SELECT unit_id, min(scanned_at), max(scanned_at), count(*) FROM incoming GROUP BY unit_id ORDER BY unit_id
ON CONFLICT (unit_id) DO UPDATE SET
    first_scan_at = least(counter.first_scan_at, excluded.first_scan_at),
    last_scan_at = greatest(counter.last_scan_at, excluded.last_scan_at),
    total_scans = counter.total_scans + excluded.total_scans
RETURNING unit_id, first_scan_at, total_scans
"""

# LATERAL keeps the planner on the index of (unit_id, scanned_at), unit by unit. A join it would rather hash, reading
# the whole month, in the very moment when everything else is slow already. An attacked unit costs no more than others.
RECENT = """
SELECT asked.unit_id, seen.scanned_at, seen.device_hash, seen.country, seen.cell
FROM unnest($1::bigint[]) AS asked (unit_id)
CROSS JOIN LATERAL (
    SELECT event.scanned_at, event.device_hash, event.country, event.cell
    FROM scan.scan_events AS event
    WHERE event.unit_id = asked.unit_id AND event.scanned_at > $2
    ORDER BY event.scanned_at DESC LIMIT 200
) AS seen
"""

_ENSURE_PARTITION = "SELECT scan.ensure_event_partition($1)"
_DROP_PARTITIONS = "SELECT * FROM scan.drop_event_partitions($1)"


@dataclass(frozen=True, slots=True)
class RecordedScan:
    """What counts of a recorded scan."""

    scanned_at: datetime
    device_hash: bytes
    country: str
    cell: str


async def record(connection: HeldConnection, events: Sequence[ScanEvent]) -> list[ScanCount]:
    """Record scans durably and return each one's place among its unit's scans, in the order of `events`."""
    try:
        rows = await connection.fetch(_RECORD, *_columns(events))
    except asyncpg.CheckViolationError:
        # No partition for the month: the statement was refused as a whole, so it may be sent again.
        for month in {event.scanned_at.date().replace(day=1) for event in events}:
            await ensure_partition(connection, month)
        rows = await connection.fetch(_RECORD, *_columns(events))
    counters = {row["unit_id"]: row for row in rows}
    to_come = Counter(event.unit_id for event in events)
    counts = []
    for event in events:
        to_come[event.unit_id] -= 1
        counter = counters[event.unit_id]
        counts.append(
            ScanCount(
                total=counter["total_scans"] - to_come[event.unit_id],
                first_scan_at=counter["first_scan_at"],
            )
        )
    return counts


async def recent_scans(
    connection: HeldConnection, unit_ids: Sequence[int], *, since: datetime
) -> dict[int, list[RecordedScan]]:
    """Return the last scans of each unit since a moment, newest first, at most 200; empty for units without any."""
    rows = await connection.fetch(RECENT, unit_ids, since)
    found: dict[int, list[RecordedScan]] = {unit_id: [] for unit_id in unit_ids}
    for unit_id, *columns in rows:
        found[unit_id].append(RecordedScan(*columns))
    return found


async def ensure_partition(connection: HeldConnection, month: date) -> None:
    """Make the partition of a month; nothing happens when it exists."""
    await connection.fetch(_ENSURE_PARTITION, month)


async def drop_months_before(connection: HeldConnection, month: date) -> list[str]:
    """Drop the events of months before a month, as far as the ledger and its readers have had them; return which."""
    return [row[0] for row in await connection.fetch(_DROP_PARTITIONS, month)]


def _columns(events: Sequence[ScanEvent]) -> tuple[list[object], ...]:
    return (
        [event.verification_id for event in events],
        [event.unit_id for event in events],
        [event.batch_id for event in events],
        [event.scanned_at for event in events],
        [event.verdict.value for event in events],
        [event.risk_score for event in events],
        [",".join(factor.name for factor in event.risk_factors) for event in events],
        [event.country for event in events],
        [event.device_hash for event in events],
        [event.address_hash for event in events],
        [event.degraded for event in events],
        [event.tenant_id for event in events],
        [event.product_id for event in events],
        [event.cell for event in events],
        [event.duplicate for event in events],
    )
