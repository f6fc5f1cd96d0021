"""Scan events and counters against a real PostgreSQL, in Scan's role."""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from services.common.errors import Unavailable
from services.scan.model import RiskFactor, ScanEvent, Verdict
from services.scan.storage import events
from services.scan.storage.connection import HeldConnection
from tests.conftest import DatabaseUrl

NOW = datetime(2026, 11, 30, 23, 59, 58, tzinfo=UTC)


def scan_of(unit_id: int, *, at: datetime = NOW, device: bytes = b"d" * 16) -> ScanEvent:
    return ScanEvent(
        verification_id=uuid4(),
        unit_id=unit_id,
        batch_id=uuid4(),
        scanned_at=at,
        verdict=Verdict.WARNING,
        risk_score=65,
        risk_factors=(RiskFactor("rapid_scans", 35), RiskFactor("high_frequency", 30)),
        country="",
        device_hash=device,
        address_hash=b"a" * 16,
        degraded=False,
        tenant_id=uuid4(),
        product_id=uuid4(),
        cell="",
        duplicate=False,
    )


async def test_each_scan_of_a_commit_gets_its_own_place(connection: HeldConnection) -> None:
    first = await events.record(connection, [scan_of(unit) for unit in (7, 3, 7, 7)])
    assert [count.total for count in first] == [1, 1, 2, 3]
    later = NOW + timedelta(seconds=1)
    second = await events.record(connection, [scan_of(unit, at=later) for unit in (3, 7)])
    assert [(count.total, count.first_scan_at) for count in second] == [(2, NOW), (4, NOW)]


async def test_a_row_holds_the_whole_event(connection: HeldConnection, database_url: DatabaseUrl) -> None:
    event = scan_of(7)
    plain = ScanEvent(**{name: getattr(event, name) for name in event.__slots__} | {"risk_factors": ()})
    await events.record(connection, [event])
    owner = await asyncpg.connect(database_url())
    row = dict(await owner.fetchrow("SELECT * FROM scan.scan_events"))
    assert row.pop("xact_id") > 0
    await owner.execute("DELETE FROM scan.scan_events")
    await events.record(connection, [plain])
    assert await owner.fetchval("SELECT risk_factors FROM scan.scan_events") == []
    await owner.close()
    assert row == {
        "verification_id": event.verification_id,
        "unit_id": 7,
        "batch_id": event.batch_id,
        "scanned_at": NOW,
        "verdict": 2,
        "risk_score": 65,
        "risk_factors": ["rapid_scans", "high_frequency"],
        "country": "",
        "device_hash": b"d" * 16,
        "address_hash": b"a" * 16,
        "degraded": False,
        "tenant_id": event.tenant_id,
        "product_id": event.product_id,
        "cell": "",
        "duplicate": False,
    }


async def test_commits_of_several_processes_at_once_do_not_deadlock(database_url: DatabaseUrl) -> None:
    async def process(seed: int) -> None:
        async with HeldConnection(dsn=database_url("voketag_scan"), name=f"{seed}", timeout_seconds=10) as held:
            for turn in range(15):
                order = [(unit * (7, 11, 13, 17)[seed] + turn) % 23 for unit in range(23)]
                await events.record(held, [scan_of(unit) for unit in order])

    await asyncio.gather(*(process(seed) for seed in range(4)))
    owner = await asyncpg.connect(database_url())
    totals = await owner.fetch("SELECT unit_id, total_scans FROM scan.unit_scans")
    recorded = Counter(row["unit_id"] for row in await owner.fetch("SELECT unit_id FROM scan.scan_events"))
    await owner.close()
    assert {row["unit_id"]: row["total_scans"] for row in totals} == recorded
    assert recorded.total() == 4 * 15 * 23


async def test_months_get_partitions_as_they_are_needed(connection: HeldConnection, database_url: DatabaseUrl) -> None:
    await events.record(connection, [scan_of(1, at=NOW), scan_of(1, at=NOW + timedelta(seconds=3))])
    await events.ensure_partition(connection, date(2027, 2, 14))
    await events.ensure_partition(connection, date(2027, 2, 14))
    owner = await asyncpg.connect(database_url())
    rows = await owner.fetch("SELECT tableoid::regclass::text AS name FROM scan.scan_events ORDER BY scanned_at")
    assert [row["name"] for row in rows] == ["scan.scan_events_202611", "scan.scan_events_202612"]
    assert await owner.fetchval("SELECT to_regclass('scan.scan_events_202702') IS NOT NULL")
    await owner.close()


async def test_recent_scans_are_found_newest_first(connection: HeldConnection) -> None:
    ages = [(0, b"x"), (29, b"x"), (31, b"y"), (59, b"z"), (61, b"old")]
    await events.record(
        connection, [scan_of(7, at=NOW - timedelta(seconds=age), device=device * 16) for age, device in ages]
    )
    found = await events.recent_scans(connection, [7, 8], since=NOW - timedelta(seconds=60))
    assert [(NOW - scan.scanned_at).seconds for scan in found[7]] == [0, 29, 31, 59]
    assert [scan.device_hash[:1] for scan in found[7]] == [b"x", b"x", b"y", b"z"]
    assert found[8] == []


async def test_recent_scans_are_found_by_index_however_many_there_are(
    connection: HeldConnection, database_url: DatabaseUrl
) -> None:
    await events.record(connection, [scan_of(unit) for unit in range(5000)])
    owner = await asyncpg.connect(database_url())
    await owner.execute("ANALYZE")
    await owner.execute("SET plan_cache_mode = force_generic_plan")
    rows = await owner.fetch(f"EXPLAIN {events.RECENT}", [1, 2], NOW)
    await owner.close()
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan Backward using scan_events_202611_unit_id_scanned_at_idx" in plan, plan


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE scan.scan_events SET risk_score = 0",
        "DELETE FROM scan.scan_events",
        "TRUNCATE scan.scan_events",
        "DELETE FROM scan.unit_scans",
        "UPDATE factory.units SET state = 1",
        "SELECT * FROM factory.tenants",
        "SELECT * FROM factory.api_keys",
    ],
)
async def test_scan_cannot_rewrite_history_or_look_further(connection: HeldConnection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetch(statement)


async def test_a_lost_connection_is_made_anew(connection: HeldConnection, database_url: DatabaseUrl) -> None:
    await events.record(connection, [scan_of(7)])
    owner = await asyncpg.connect(database_url())
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await owner.close()
    try:
        [count] = await events.record(connection, [scan_of(7)])
    except Unavailable:  # the end of the connection was not noticed before the statement was sent
        [count] = await events.record(connection, [scan_of(7)])
    assert count.total == 2


async def test_after_a_slow_statement_nobody_waits_and_a_moment_later_the_next_one_works(
    database_url: DatabaseUrl,
) -> None:
    async with HeldConnection(dsn=database_url("voketag_scan"), name="test", timeout_seconds=0.3) as held:
        with pytest.raises(Unavailable):
            await held.fetch("SELECT pg_sleep(5)")
        async with asyncio.timeout(0.1):
            with pytest.raises(Unavailable):
                await held.fetch("SELECT 1 AS one")
        await asyncio.sleep(0.5)
        assert (await held.fetch("SELECT 1 AS one"))[0]["one"] == 1


async def test_nobody_there_is_unavailable_at_once(database_url: DatabaseUrl) -> None:
    async with HeldConnection(dsn="postgresql://nobody@127.0.0.1:1/none", name="test", timeout_seconds=2) as held:
        for _ in range(3):
            async with asyncio.timeout(0.5):
                with pytest.raises(Unavailable):
                    await held.fetch("SELECT 1")
