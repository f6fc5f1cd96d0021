"""Sums of scans, kept per hour and day from the ledger on: what summaries are made of, so that nobody counts events.

The ledger has every committed scan once and in one order, whenever its transaction ended. So a cursor into it is all
that the sums need: moved in the transaction that adds, it makes each scan count exactly once, late ones under the hour
of their scan. A new installation of the sums starts at the ledger's first entry, which is the backfill.

The facets, which say in which minutes to look for scans with a property (`facets.py` reads them), are kept in the same
statement.
"""

from datetime import datetime

from services.scan.records import Interval, Point, RiskyUnit, Summary, SummaryRequest
from services.scan.storage.connection import HeldConnection

# One statement. Entries whose event is gone (its month was dropped) move the cursor and count nothing.
_ADD = """
WITH place AS (
    SELECT next_index FROM scan.ledger_cursors WHERE consumer = 'rollups' FOR UPDATE
), entries AS (
    SELECT entry.verification_id, entry.scanned_at FROM place
    JOIN scan.ledger_entries AS entry
        ON entry.entry_index >= place.next_index AND entry.entry_index < place.next_index + $1
), stretch AS (
    SELECT event.* FROM entries JOIN scan.scan_events AS event USING (verification_id, scanned_at)
), hours AS (
    SELECT tenant_id, date_trunc('hour', scanned_at, 'UTC') AS starts_at, product_id, batch_id, country, verdict,
           count(*) AS scans, count(*) FILTER (WHERE duplicate) AS duplicates
    FROM stretch GROUP BY 1, 2, 3, 4, 5, 6
), hourly AS (
    INSERT INTO scan.scan_rollups_hourly AS sum
    SELECT * FROM hours
    ON CONFLICT (tenant_id, starts_at, product_id, batch_id, country, verdict) DO UPDATE
        SET scans = sum.scans + excluded.scans, duplicates = sum.duplicates + excluded.duplicates
), daily AS (
    INSERT INTO scan.scan_rollups_daily AS sum
    SELECT tenant_id, date_trunc('day', starts_at, 'UTC'), product_id, batch_id, country, verdict,
           sum(scans), sum(duplicates)
    FROM hours GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (tenant_id, starts_at, product_id, batch_id, country, verdict) DO UPDATE
        SET scans = sum.scans + excluded.scans, duplicates = sum.duplicates + excluded.duplicates
), facets AS (
    INSERT INTO scan.scan_facets_daily AS known (tenant_id, facet, starts_at, minutes)
    SELECT tenant_id, facet, date_trunc('day', minute, 'UTC'),
           bit_or(set_bit(repeat('0', 1440)::bit(1440), (extract(epoch FROM minute)::bigint / 60 % 1440)::int, 1))
    FROM (
        SELECT DISTINCT tenant_id, facet, minute
        FROM (
            SELECT DISTINCT tenant_id, batch_id, product_id, country, verdict, duplicate,
                   date_trunc('minute', scanned_at, 'UTC') AS minute
            FROM stretch
        ) AS seen CROSS JOIN LATERAL (
            VALUES ('batch:' || batch_id), ('product:' || product_id), ('country:' || country),
                   ('verdict:' || verdict), (CASE WHEN duplicate THEN 'duplicate' END)
        ) AS has (facet)
        WHERE facet IS NOT NULL
    ) AS minutes
    GROUP BY 1, 2, 3
    ON CONFLICT (tenant_id, facet, starts_at) DO UPDATE SET minutes = known.minutes | excluded.minutes
    WHERE known.minutes <> known.minutes | excluded.minutes  -- most rounds say nothing new
), risky AS (
    INSERT INTO scan.risky_units_daily AS sum
        (tenant_id, starts_at, unit_id, batch_id, product_id, risk_score, scans, last_scan_at)
    SELECT tenant_id, date_trunc('day', scanned_at, 'UTC'), unit_id, batch_id, product_id,
           max(risk_score), count(*), max(scanned_at)
    FROM stretch WHERE verdict IN (2, 3) GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (tenant_id, starts_at, unit_id) DO UPDATE
        SET risk_score = greatest(sum.risk_score, excluded.risk_score), scans = sum.scans + excluded.scans,
            last_scan_at = greatest(sum.last_scan_at, excluded.last_scan_at)
), done AS (SELECT count(*) AS entries FROM entries)
UPDATE scan.ledger_cursors SET next_index = place.next_index + done.entries FROM place, done
WHERE consumer = 'rollups' RETURNING done.entries
"""
_FORGET_HOURS = "DELETE FROM scan.scan_rollups_hourly WHERE starts_at < $1"
_ROLLED_UP = "SELECT next_index FROM scan.ledger_cursors WHERE consumer = 'rollups'"
_COUNTED_UNTIL = """
SELECT entry.scanned_at FROM scan.ledger_cursors AS place
JOIN scan.ledger_entries AS entry ON entry.entry_index = place.next_index - 1 WHERE place.consumer = 'rollups'
"""
# The whole, by verdict, by country and by time, in one walk over the sums.
_SUMS = """
SELECT grouping(verdict, country, starts_at) AS kind, verdict, country, starts_at, sum(scans)::bigint AS scans,
       sum(duplicates)::bigint AS duplicates,
       coalesce(sum(scans) FILTER (WHERE verdict IN (2, 3)), 0)::bigint AS suspicious
FROM scan.{table}
WHERE tenant_id = $1 AND starts_at >= $2 AND starts_at < $3
  AND ($4::uuid IS NULL OR batch_id = $4) AND ($5::uuid IS NULL OR product_id = $5)
GROUP BY GROUPING SETS ((), (verdict), (country), (starts_at))
ORDER BY kind, starts_at, scans DESC, country
"""
_TABLES = {Interval.HOUR: "scan_rollups_hourly", Interval.DAY: "scan_rollups_daily"}
_WHOLE, _BY_VERDICT, _BY_COUNTRY, _BY_TIME = 0b111, 0b011, 0b101, 0b110
_TOP_UNITS = """
SELECT unit_id, (array_agg(batch_id))[1] AS batch_id, max(risk_score) AS risk_score, sum(scans)::bigint AS scans,
       max(last_scan_at) AS last_scan_at
FROM scan.risky_units_daily
WHERE tenant_id = $1 AND starts_at >= date_trunc('day', $2::timestamptz, 'UTC') AND starts_at < $3
  AND ($4::uuid IS NULL OR batch_id = $4) AND ($5::uuid IS NULL OR product_id = $5)
GROUP BY unit_id ORDER BY 3 DESC, 4 DESC, 5 DESC, 1 LIMIT $6
"""


async def add_new(connection: HeldConnection, entries: int) -> int:
    """Add the scans of the next entries of the ledger to the sums; return how many entries that were."""
    [row] = await connection.fetch(_ADD, entries)
    return int(row["entries"])


async def counted_entries(connection: HeldConnection) -> int:
    """Return how many entries of the ledger are in the sums."""
    [row] = await connection.fetch(_ROLLED_UP)
    return int(row["next_index"])


async def forget_hours_before(connection: HeldConnection, moment: datetime) -> None:
    """Delete the sums of hours that began earlier."""
    await connection.fetch(_FORGET_HOURS, moment)


async def summary(connection: HeldConnection, asked: SummaryRequest) -> Summary:
    """Return what the sums say."""
    which = (asked.tenant_id, asked.since, asked.until, asked.batch_id, asked.product_id)
    rows = await connection.fetch(_SUMS.format(table=_TABLES[asked.interval]), *which)
    top = await connection.fetch(_TOP_UNITS, *which, asked.top_units)
    counted = await connection.fetch(_COUNTED_UNTIL)
    [whole] = [row for row in rows if row["kind"] == _WHOLE]
    return Summary(
        scans=whole["scans"] or 0,
        duplicates=whole["duplicates"] or 0,
        verdicts={row["verdict"]: row["scans"] for row in rows if row["kind"] == _BY_VERDICT},
        countries={row["country"]: row["scans"] for row in rows if row["kind"] == _BY_COUNTRY},
        trend=[
            Point(row["starts_at"], row["scans"], row["duplicates"], row["suspicious"])
            for row in rows
            if row["kind"] == _BY_TIME
        ],
        top_units=[RiskyUnit(*row) for row in top],
        counted_until=counted[0]["scanned_at"] if counted else None,
    )
