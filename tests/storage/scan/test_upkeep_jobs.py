"""Upkeep of Scan's events: months made before they begin, and dropped when they have had their time."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.clock import SystemClock
from services.common.errors import Unavailable
from services.scan.jobs import ensure_partitions, forget_events
from services.scan.ledger_key import LedgerKey
from services.scan.operations.sequencing import Sequencer
from services.scan.storage import events, notices, rollups
from services.scan.storage.connection import HeldConnection
from tests.conftest import DatabaseUrl
from tests.storage.scan.test_records import StoppedClock, scan

MONTHS = """
SELECT right(relname, 6) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'scan.scan_events'::regclass ORDER BY 1
"""


async def months(connection: HeldConnection) -> list[str]:
    return [row[0] for row in await connection.fetch(MONTHS)]


async def take_in(connection: HeldConnection, database_url: DatabaseUrl) -> None:
    """Take what was recorded into the ledger, and let its readers have it."""
    leader = await asyncpg.connect(database_url("voketag_scan"))
    key = LedgerKey(Ed25519PrivateKey.generate(), origin="test.example/ledger")
    await Sequencer(database_url="", key=key, clock=SystemClock()).add_new(leader)
    await leader.close()
    await rollups.add_new(connection, 1000)
    await notices.note_high_risk(connection, 1000)


@pytest.fixture(autouse=True)
async def _no_months(database_url: DatabaseUrl) -> None:
    """Each test begins without a partition."""
    owner = await asyncpg.connect(database_url())
    for [month] in await owner.fetch(MONTHS):
        await owner.execute(f"DROP TABLE scan.scan_events_{month}")
    await owner.close()


async def test_months_are_there_before_they_begin(connection: HeldConnection) -> None:
    clock = StoppedClock(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))
    await ensure_partitions(connection=connection, clock=clock)
    assert await months(connection) == ["202611", "202612", "202701"]
    clock.moment += timedelta(seconds=1)
    await ensure_partitions(connection=connection, clock=clock)
    assert await months(connection) == ["202611", "202612", "202701", "202702"]


async def test_months_go_when_they_are_older_than_is_kept(
    connection: HeldConnection, database_url: DatabaseUrl
) -> None:
    clock = StoppedClock(datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC))
    for month in (1, 2, 3, 4, 5):
        await events.record(connection, [scan(scanned_at=datetime(2026, month, 15, tzinfo=UTC))])
    await take_in(connection, database_url)
    await forget_events(connection=connection, clock=clock, kept_months=4)
    assert await months(connection) == ["202602", "202603", "202604", "202605"]
    clock.moment += timedelta(seconds=1)
    await forget_events(connection=connection, clock=clock, kept_months=4)
    assert await months(connection) == ["202603", "202604", "202605"]
    assert await rollups.counted_entries(connection) == 5, "the ledger and the sums still have what is gone"


async def test_a_month_stays_until_the_ledger_and_its_readers_have_had_it(
    connection: HeldConnection, database_url: DatabaseUrl
) -> None:
    clock = StoppedClock(datetime(2026, 12, 1, tzinfo=UTC))
    await events.record(connection, [scan(scanned_at=datetime(2026, 1, 15, tzinfo=UTC))])
    await forget_events(connection=connection, clock=clock, kept_months=1)
    assert await months(connection) == ["202601"]
    await events.record(connection, [scan(scanned_at=datetime(2026, 2, 1, 12, tzinfo=UTC))])
    await take_in(connection, database_url)
    await forget_events(connection=connection, clock=clock, kept_months=1)
    assert await months(connection) == ["202601", "202602"], "a scan of January could still be on its way"
    await events.record(connection, [scan(scanned_at=datetime(2026, 2, 2, 12, tzinfo=UTC))])
    await take_in(connection, database_url)
    await forget_events(connection=connection, clock=clock, kept_months=1)
    assert await months(connection) == ["202602"]


async def test_dropping_does_not_wait_for_long_and_leaves_it_to_the_next_run(
    connection: HeldConnection, database_url: DatabaseUrl
) -> None:
    clock = StoppedClock(datetime(2026, 12, 1, tzinfo=UTC))
    for day in (datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 3, 15, tzinfo=UTC)):
        await events.record(connection, [scan(scanned_at=day)])
    await take_in(connection, database_url)
    reader = await asyncpg.connect(database_url("voketag_scan"))
    async with reader.transaction():
        await reader.fetch("SELECT * FROM scan.scan_events")
        with pytest.raises(Unavailable):
            await forget_events(connection=connection, clock=clock, kept_months=1)
    await reader.close()
    await forget_events(connection=connection, clock=clock, kept_months=1)
    assert await months(connection) == ["202603"]
