"""Upkeep of Scan's tables: partitions of scan events, made before their month begins, and what has had its time.

A scan whose month has none makes it (see `storage/events.py`); this keeps it from having to.
"""

from datetime import date, timedelta

from services.common.clock import Clock
from services.common.logs import get_logger
from services.scan.storage import events, facets, hints, ledger, reports
from services.scan.storage.connection import HeldConnection

MONTHS_AHEAD = 2
_log = get_logger(__name__)


async def ensure_partitions(*, connection: HeldConnection, clock: Clock) -> None:
    """Make the partitions of this month and the next two; Unavailable when the database is away."""
    for month in months_from(clock.now().date(), MONTHS_AHEAD):
        await events.ensure_partition(connection, month)


async def forget_events(*, connection: HeldConnection, clock: Clock, kept_months: int) -> None:
    """Drop whole months of scan events that are older than is kept; Unavailable when scans do not make room for it.

    Entries of the ledger, their hashes and the sums of scans stay: what goes is what an entry says.
    """
    month = months_from(clock.now().date(), -kept_months)[-1]
    gone = await events.drop_months_before(connection, month)
    for name in gone:
        _log.info("a month of scan events is gone, as the settings say", partition=name)
    if gone:
        await facets.forget_months_up_to(connection, max(gone))


async def forget_reports(*, connection: HeldConnection, clock: Clock, kept: timedelta) -> None:
    """Delete consumers' reports that are older than `kept`; Unavailable when the database is away."""
    await reports.forget_before(connection, clock.now() - kept)


async def forget_hints(*, connection: HeldConnection, clock: Clock, kept: timedelta) -> None:
    """Delete what devices said of themselves and is older than `kept`; Unavailable when the database is away."""
    await hints.forget_before(connection, clock.now() - kept)


async def forget_checkpoints(*, connection: HeldConnection, clock: Clock, kept: timedelta) -> None:
    """Delete checkpoints that are older than `kept`, but for the newest and the anchored ones."""
    await ledger.forget_checkpoints_before(connection, clock.now() - kept)


def months_from(day: date, ahead: int) -> list[date]:
    """Return the first days of the month of `day` and of `ahead` months after it, before it when that is negative."""
    count = day.year * 12 + day.month - 1
    steps = range(ahead + 1) if ahead >= 0 else range(0, ahead - 1, -1)
    return [date((count + step) // 12, (count + step) % 12 + 1, 1) for step in steps]
