"""Lists and sums of recorded scans on real PostgreSQL."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.clock import SystemClock
from services.common.errors import InvalidArgument
from services.scan.ledger_key import LedgerKey
from services.scan.model import ScanEvent, Verdict
from services.scan.operations import rollups as rollup_operations
from services.scan.operations.records import Records
from services.scan.operations.rollups import Rollups
from services.scan.operations.sequencing import Sequencer
from services.scan.records import Interval, ScanFilter, Summary, SummaryRequest
from services.scan.storage import events
from services.scan.storage import records as storage
from services.scan.storage import rollups as rollup_storage
from services.scan.storage.connection import HeldConnection
from tests.conftest import DatabaseUrl
from tests.storage.scan.plans import rows_read
from tests.storage.scan.test_sequencing import scan_of

TENANT, RIVAL = uuid4(), uuid4()
OIL, WINE = uuid4(), uuid4()
LOT = uuid4()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StoppedClock:
    """A clock that stands where it was put."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def scan(**changes: object) -> ScanEvent:
    """Return a scan of Acme's oil at noon in Brazil, with changes."""
    usual = scan_of(1)
    made = {field.name: getattr(usual, field.name) for field in fields(usual)}
    made |= {"tenant_id": TENANT, "product_id": OIL, "batch_id": LOT, "scanned_at": NOON, "duplicate": False}
    return ScanEvent(**made | {"verdict": Verdict.AUTHENTIC, "risk_score": 10} | changes)  # type: ignore[arg-type]


@pytest.fixture
def records(connection: HeldConnection) -> Records:
    return Records(connection=connection, clock=SystemClock())


async def enter(database_url: DatabaseUrl) -> None:
    """Take what was recorded into the ledger."""
    leader = await asyncpg.connect(database_url("voketag_scan"))
    key = LedgerKey(Ed25519PrivateKey.generate(), origin="test.example/ledger")
    await Sequencer(database_url="", key=key, clock=SystemClock()).add_new(leader)
    await leader.close()


async def all_of(records: Records, wanted: ScanFilter, *, limit: int) -> list[UUID]:
    found: list[UUID] = []
    behind = None
    while True:
        page, behind = await records.page(wanted, behind=behind, limit=limit)
        assert len(page) <= limit
        found += [each.verification_id for each in page]
        if behind is None:
            return found


async def test_pages_hold_each_scan_of_the_tenant_once_newest_first_across_months(
    connection: HeldConnection, records: Records
) -> None:
    made = [scan(scanned_at=NOON + timedelta(days=17 * (n // 2))) for n in range(9)]
    await events.record(connection, [*made, scan(tenant_id=RIVAL)])
    expected = sorted(made, key=lambda each: (each.scanned_at, each.verification_id), reverse=True)
    assert await all_of(records, ScanFilter(TENANT), limit=2) == [each.verification_id for each in expected]
    assert await all_of(records, ScanFilter(TENANT), limit=100) == [each.verification_id for each in expected]


async def test_each_filter_leaves_out_what_it_should(connection: HeldConnection, records: Records) -> None:
    usual = scan()
    odd = {
        "batch": scan(batch_id=uuid4()),
        "product": scan(product_id=WINE),
        "country": scan(country="PT"),
        "verdict": scan(verdict=Verdict.HIGH_RISK),
        "duplicate": scan(duplicate=True),
        "early": scan(scanned_at=NOON - timedelta(hours=1)),
        "late": scan(scanned_at=NOON + timedelta(hours=1)),
    }
    await events.record(connection, [usual, *odd.values()])

    async def which(**wanted: object) -> set[str]:
        found = await all_of(records, ScanFilter(TENANT, **wanted), limit=3)  # type: ignore[arg-type]
        names = {each.verification_id: name for name, each in odd.items()}
        return {names.get(each, "usual") for each in found}

    everything = {"usual", *odd}
    assert await which() == everything
    assert await which(batch_id=LOT) == everything - {"batch"}
    assert await which(product_id=WINE) == {"product"}
    assert await which(country="PT") == {"country"}
    assert await which(verdict=Verdict.HIGH_RISK) == {"verdict"}
    assert await which(duplicates_only=True) == {"duplicate"}
    assert await which(since=NOON) == everything - {"early"}
    assert await which(until=NOON) == {"early"}
    assert await which(country="BR", since=NOON, until=NOON + timedelta(hours=1), product_id=OIL, batch_id=LOT) == {
        "usual",
        "verdict",
        "duplicate",
    }


async def test_a_page_is_a_walk_along_an_index_and_sorts_nothing(
    connection: HeldConnection, database_url: DatabaseUrl, records: Records
) -> None:
    await events.ensure_partition(connection, date(2026, 4, 1))
    await events.record(connection, [scan(scanned_at=NOON + timedelta(minutes=n)) for n in range(400)])
    _, behind = await records.page(ScanFilter(TENANT), behind=None, limit=50)
    sql, arguments = storage.statement(ScanFilter(TENANT), [ScanFilter(TENANT).span(behind)], behind=behind, limit=50)
    owner = await asyncpg.connect(database_url())
    await owner.execute("ANALYZE scan.scan_events")
    await owner.execute("SET enable_seqscan = off")
    plan: str = await owner.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *arguments)
    await owner.close()
    assert "tenant_id_scanned_at_verification_id_idx" in plan
    assert rows_read(plan) == {"scan_events_202603": 50}, "nor are months behind the position looked at"


async def test_a_stream_has_what_was_there_when_it_began(connection: HeldConnection) -> None:
    clock = StoppedClock(NOON + timedelta(minutes=1))
    first = [scan(scanned_at=NOON - timedelta(seconds=n)) for n in range(2500)]
    await events.record(connection, first)
    found: list[UUID] = []
    async for page in Records(connection=connection, clock=clock).stream(ScanFilter(TENANT)):
        found += [each.verification_id for each in page]
        await events.record(connection, [scan(scanned_at=NOON + timedelta(minutes=2))])
    assert found == [each.verification_id for each in first]


def a_summary(interval: Interval = Interval.DAY, **changes: object) -> SummaryRequest:
    usual = {"batch_id": None, "product_id": None, "since": None, "until": NOON, "top_units": 10, "now": NOON}
    return SummaryRequest.of(TENANT, interval=interval, **usual | changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("end", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
def test_a_summary_of_the_ends_of_the_calendar_is_of_times_without_scans(end: datetime) -> None:
    asked = a_summary(until=end)
    assert asked.since < asked.until


def counted(scans: Sequence[ScanEvent]) -> tuple[int, int, dict[int, int], dict[str, int]]:
    """Count scans as a summary should, without any database."""
    ours = [each for each in scans if each.tenant_id == TENANT]
    return (
        len(ours),
        sum(each.duplicate for each in ours),
        dict(Counter(each.verdict.value for each in ours)),
        dict(Counter(each.country for each in ours)),
    )


def said(summary: Summary) -> tuple[int, int, dict[int, int], dict[str, int]]:
    return summary.scans, summary.duplicates, summary.verdicts, summary.countries


async def test_sums_say_what_counting_the_events_says(
    connection: HeldConnection, database_url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollup_operations, "_STRETCH", 7)
    made = [
        scan(
            unit_id=n % 5,
            scanned_at=NOON - timedelta(hours=n),
            verdict=list(Verdict)[n % 7],
            country=("BR", "PT", "")[n % 3],
            duplicate=n % 4 == 0,
            risk_score=n,
            tenant_id=RIVAL if n % 10 == 9 else TENANT,
        )
        for n in range(60)
    ]
    rollups = Rollups(connection=connection, clock=SystemClock())
    for part in (made[:25], made[25:26], made[26:]):
        await events.record(connection, part)
        await enter(database_url)
        await rollups.add_new()
        await rollups.add_new()
    assert await rollup_storage.counted_entries(connection) == 60
    by_day = await rollup_storage.summary(connection, a_summary())
    by_hour = await rollup_storage.summary(connection, a_summary(Interval.HOUR))
    assert said(by_day) == said(by_hour) == counted(made)
    assert [point.scans for point in by_hour.trend] == [1] * 54
    assert [(point.starts_at.day, point.starts_at.hour) for point in by_day.trend] == [(27, 0), (28, 0), (1, 0)]
    assert sum(point.suspicious for point in by_day.trend) == by_day.verdicts[2] + by_day.verdicts[3]
    suspicious = [e for e in made if e.tenant_id == TENANT and e.verdict in {Verdict.WARNING, Verdict.HIGH_RISK}]
    highest = max(suspicious, key=lambda each: each.risk_score)
    assert by_day.top_units[0].unit_id == highest.unit_id
    assert by_day.top_units[0].risk_score == highest.risk_score
    assert sum(unit.scans for unit in by_day.top_units) == len(suspicious)
    assert by_day.counted_until is not None


async def test_a_scan_that_comes_late_counts_under_its_own_hour(
    connection: HeldConnection, database_url: DatabaseUrl
) -> None:
    rollups = Rollups(connection=connection, clock=SystemClock())
    for moment in (NOON, NOON - timedelta(hours=5), NOON):
        await events.record(connection, [scan(scanned_at=moment)])
        await enter(database_url)
        await rollups.add_new()
    trend = (await rollup_storage.summary(connection, a_summary(Interval.HOUR))).trend
    assert [(point.starts_at, point.scans) for point in trend] == [(NOON - timedelta(hours=5), 1), (NOON, 2)]


async def test_two_workers_at_once_count_each_scan_once(connection: HeldConnection, database_url: DatabaseUrl) -> None:
    import asyncio

    await events.record(connection, [scan() for _ in range(50)])
    await enter(database_url)
    async with HeldConnection(dsn=database_url("voketag_scan"), name="other", timeout_seconds=5) as other:
        both = [Rollups(connection=each, clock=SystemClock()).add_new() for each in (connection, other)]
        await asyncio.gather(*both)
    assert (await rollup_storage.summary(connection, a_summary())).scans == 50


async def test_sums_of_a_product_or_batch_are_its_own(connection: HeldConnection, database_url: DatabaseUrl) -> None:
    other = uuid4()
    await events.record(connection, [scan(), scan(product_id=WINE), scan(product_id=WINE, batch_id=other)])
    await enter(database_url)
    await Rollups(connection=connection, clock=SystemClock()).add_new()
    for changes, scans in (({"product_id": WINE}, 2), ({"batch_id": other}, 1), ({"batch_id": uuid4()}, 0)):
        assert (await rollup_storage.summary(connection, a_summary(**changes))).scans == scans


async def test_hours_are_forgotten_and_days_are_kept(connection: HeldConnection, database_url: DatabaseUrl) -> None:
    await events.record(connection, [scan(scanned_at=NOON - timedelta(days=31)), scan()])
    await enter(database_url)
    clock = StoppedClock(NOON)
    rollups = Rollups(connection=connection, clock=clock)
    await rollups.add_new()
    await rollups.forget_hours()
    since = NOON - timedelta(days=31)
    assert (await rollup_storage.summary(connection, a_summary(Interval.HOUR, since=since))).scans == 2
    clock.moment += timedelta(hours=1)
    await rollups.forget_hours()
    assert (await rollup_storage.summary(connection, a_summary(Interval.HOUR))).scans == 1
    assert (await rollup_storage.summary(connection, a_summary(since=since))).scans == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"since": NOON + timedelta(days=1)},
        {"since": NOON - timedelta(days=6000)},
        {"interval": Interval.HOUR, "since": NOON - timedelta(days=31, hours=1)},
    ],
    ids=["ends before it begins", "too many points", "hours that are gone"],
)
def test_a_time_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        a_summary(**changes)  # type: ignore[arg-type]
