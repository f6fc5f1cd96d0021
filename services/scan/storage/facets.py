"""In which minutes a tenant has scans with a property, such as a country: where a filtered list has to look.

A tenant's rare scans lie far apart on the one index of its scans; for each property and day a bit a minute says where
some are. So a page reads the scans of minutes that have a match, and no others, and no scan pays for it: the bits are
kept by the worker, with the sums. A bit too many costs a look; one too few would hide a scan, so what the worker has
not had yet counts as there. Alternatives considered: an index for each filter (every scan would pay for all of them);
the sums themselves (they stand by product, batch, country and verdict together, which is nearly as many rows as scans).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from asyncpg import BitString

from services.scan.records import ScanFilter
from services.scan.storage.connection import HeldConnection

_DAYS_AT_ONCE = 32

_CURSORS = """
SELECT state.xact_cursor::text AS xact_cursor, place.next_index
FROM scan.ledger_state AS state, scan.ledger_cursors AS place WHERE place.consumer = 'rollups'
"""
# The cursors come as parameters, with which the planner sees how little lies behind them.
_OLDEST_UNCOUNTED = """
SELECT least(
    (SELECT min(scanned_at) FROM scan.scan_events WHERE xact_id >= $2::text::xid8 AND tenant_id = $1),
    (SELECT min(scanned_at) FROM scan.ledger_entries WHERE entry_index >= $3)
) AS scanned_at
"""
_DAYS = """
SELECT starts_at, bit_and(minutes) AS minutes FROM scan.scan_facets_daily
WHERE tenant_id = $1 AND facet = ANY($2) AND starts_at >= date_trunc('day', $3::timestamptz, 'UTC') AND starts_at < $4
GROUP BY starts_at HAVING count(*) = cardinality($2)
ORDER BY starts_at DESC LIMIT $5
"""
_FORGET = """
DELETE FROM scan.scan_facets_daily
WHERE starts_at < (to_date(right($1, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC'
"""


class Day(NamedTuple):
    """The minutes of a day (UTC) in which every wanted property occurs: a string of 1440 zeros and ones."""

    starts_at: datetime
    minutes: str


def facets_of(wanted: ScanFilter) -> list[str]:
    """Return the properties that a filter asks for, none for a filter that asks for time alone."""
    asked = {
        "batch": wanted.batch_id,
        "product": wanted.product_id,
        "country": wanted.country,
        "verdict": wanted.verdict and wanted.verdict.value,
    }
    facets = [f"{name}:{value}" for name, value in asked.items() if value is not None]
    return [*facets, "duplicate"] if wanted.duplicates_only else facets


async def oldest_uncounted(connection: HeldConnection, wanted: ScanFilter) -> datetime | None:
    """Return the time from which on there may be scans of the tenant that no facet says; None when there are none."""
    [cursors] = await connection.fetch(_CURSORS)
    [row] = await connection.fetch(_OLDEST_UNCOUNTED, wanted.tenant_id, cursors["xact_cursor"], cursors["next_index"])
    moment: datetime | None = row["scanned_at"]
    return moment


async def days(connection: HeldConnection, wanted: ScanFilter, *, since: datetime, until: datetime) -> Sequence[Day]:
    """Return the newest days that have all that is wanted and begin before `until`, newest first; not all at once."""
    arguments = (wanted.tenant_id, facets_of(wanted), since, until, _DAYS_AT_ONCE)
    return [Day(row["starts_at"], _bits(row["minutes"])) for row in await connection.fetch(_DAYS, *arguments)]


async def forget_months_up_to(connection: HeldConnection, partition: str) -> None:
    """Delete what is known of the month of a partition of events, and of months before it."""
    await connection.fetch(_FORGET, partition)


def _bits(minutes: BitString) -> str:
    return f"{minutes.to_int():0{len(minutes)}b}"
