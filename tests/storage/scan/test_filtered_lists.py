"""Filtered lists of scans on real PostgreSQL: they are whole, and rare scans cost no walk along all the others."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.clock import SystemClock
from services.scan.jobs import forget_events
from services.scan.ledger_key import LedgerKey
from services.scan.model import ScanEvent, Verdict
from services.scan.operations.records import Records
from services.scan.operations.rollups import Rollups
from services.scan.operations.sequencing import Sequencer
from services.scan.records import ScanFilter, Span, spans_of
from services.scan.storage import events, notices
from services.scan.storage.connection import HeldConnection
from tests.conftest import DatabaseUrl
from tests.storage.scan.plans import rows_read
from tests.storage.scan.test_records import NOON, OIL, TENANT, WINE, StoppedClock, all_of, scan


class ReadEvents(HeldConnection):
    """A connection that also says how many rows of scan events its statements read, kept or not."""

    rows = 0

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Any]:
        if "scan.scan_events" in sql and "INSERT" not in sql:
            [explained] = await super().fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *arguments)
            self.rows += sum(rows_read(explained[0]).values())
        return await super().fetch(sql, *arguments)


async def enter(database_url: DatabaseUrl) -> None:
    """Take everything that was recorded into the ledger."""
    leader = await asyncpg.connect(database_url("voketag_scan"))
    key = LedgerKey(Ed25519PrivateKey.generate(), origin="test.example/ledger")
    sequencer = Sequencer(database_url="", key=key, clock=SystemClock())
    while await sequencer.add_new(leader):
        pass
    await leader.close()


async def count(connection: HeldConnection, database_url: DatabaseUrl) -> None:
    """Take everything that was recorded into the ledger and the sums."""
    await enter(database_url)
    await Rollups(connection=connection, clock=SystemClock()).add_new()


async def test_rare_scans_are_found_without_a_walk_along_all_the_others(database_url: DatabaseUrl) -> None:
    rare = [scan(scanned_at=NOON + timedelta(hours=5 * n, seconds=5), country="PT") for n in range(4)]
    usual = [scan(scanned_at=NOON + timedelta(seconds=10 * n)) for n in range(6_000)]
    async with ReadEvents(dsn=database_url("voketag_scan"), name="test", timeout_seconds=30) as connection:
        made = sorted([*usual, *rare], key=lambda each: each.scanned_at)
        for start in range(0, len(made), 100):
            await events.record(connection, made[start : start + 100])
        await count(connection, database_url)
        owner = await asyncpg.connect(database_url())
        await owner.execute("ANALYZE scan.scan_events, scan.ledger_entries, scan.scan_facets_daily")
        await owner.close()
        records = Records(connection=connection, clock=SystemClock())
        wanted = [each.verification_id for each in reversed(rare)]

        assert await all_of(records, ScanFilter(TENANT, country="PT"), limit=50) == wanted
        last = len(made) % 100  # the newest transaction is looked through in any case, once for its time
        assert 0 < connection.rows <= 4 * 7 + 2 * last, "the scans of four minutes"

        for limit in (1, 3):
            connection.rows = 0
            assert await all_of(records, ScanFilter(TENANT, country="PT"), limit=limit) == wanted
            assert connection.rows <= 4 * (4 * 7 + 2 * last)

        connection.rows = 0
        assert await all_of(records, ScanFilter(TENANT, country="PT", verdict=Verdict.WARNING), limit=50) == []
        assert connection.rows <= 2 * last

        connection.rows = 0
        page, _ = await records.page(ScanFilter(TENANT, country="BR"), behind=None, limit=50)
        assert len(page) == 50
        assert connection.rows <= 51 + 2 * last, "nor do frequent ones cost more than a page"


async def test_filtered_pages_are_whole_however_far_the_sums_are(
    connection: HeldConnection, database_url: DatabaseUrl
) -> None:
    random, lots = Random(7), [uuid4() for _ in range(3)]  # noqa: S311 - the same scans in every run
    records = Records(connection=connection, clock=SystemClock())
    made: list[ScanEvent] = []

    async def more(scans: int) -> None:
        new = [
            scan(
                unit_id=len(made) + n,
                # Around two midnights and the end of a month, some at the same moment.
                scanned_at=datetime(2026, 2, 28, 23, 50, tzinfo=UTC)
                + timedelta(days=random.randrange(3), seconds=30 * random.randrange(60)),
                batch_id=random.choice(lots),
                product_id=random.choice((OIL, WINE)),
                country=random.choice(("BR", "BR", "BR", "PT")),
                verdict=random.choice((Verdict.AUTHENTIC, Verdict.AUTHENTIC, Verdict.WARNING)),
                duplicate=random.random() < 0.3,
                tenant_id=TENANT if random.random() < 0.9 else uuid4(),
            )
            for n in range(scans)
        ]
        made.extend(new)
        await events.record(connection, new)

    async def agree() -> None:
        choices = product((None, lots[0]), (None, WINE), (None, "PT"), (None, Verdict.WARNING), (False, True))
        for batch, item, country, verdict, duplicates in choices:
            since = random.choice((None, datetime(2026, 3, 1, 0, 3, 10, tzinfo=UTC)))
            until = random.choice((None, datetime(2026, 3, 2, 0, 1, tzinfo=UTC)))
            wanted = ScanFilter(TENANT, batch, item, country, verdict, since, until, duplicates)
            assert await all_of(records, wanted, limit=random.choice((1, 4, 100))) == _picked(made, wanted)

    await more(60)
    await agree()  # nothing is in the ledger
    await enter(database_url)
    await agree()  # nothing is in the sums
    await count(connection, database_url)
    await agree()  # all is
    await more(40)
    await enter(database_url)
    await more(40)
    await agree()  # some is in the sums, some in the ledger, some in neither, and none in the order of time
    await count(connection, database_url)
    await agree()


def _picked(made: Sequence[ScanEvent], wanted: ScanFilter) -> list[UUID]:
    """Return what a filter is to find, by looking at every scan."""
    found = [
        each
        for each in made
        if each.tenant_id == wanted.tenant_id
        and wanted.batch_id in {None, each.batch_id}
        and wanted.product_id in {None, each.product_id}
        and wanted.country in {None, each.country}
        and wanted.verdict in {None, each.verdict}
        and (wanted.since is None or each.scanned_at >= wanted.since)
        and (wanted.until is None or each.scanned_at < wanted.until)
        and (each.duplicate or not wanted.duplicates_only)
    ]
    found.sort(key=lambda each: (each.scanned_at, each.verification_id), reverse=True)
    return [each.verification_id for each in found]


async def test_what_is_known_of_a_month_goes_with_its_events(
    connection: HeldConnection, database_url: DatabaseUrl
) -> None:
    for month in (1, 2, 3):
        await events.record(connection, [scan(scanned_at=datetime(2026, month, 15, tzinfo=UTC))])
    await count(connection, database_url)
    await notices.note_high_risk(connection, 1000)
    clock = StoppedClock(datetime(2026, 3, 20, tzinfo=UTC))
    await forget_events(connection=connection, clock=clock, kept_months=1)
    left = await connection.fetch("SELECT DISTINCT starts_at FROM scan.scan_facets_daily ORDER BY 1")
    assert [row["starts_at"].month for row in left] == [2, 3]


@pytest.mark.parametrize(
    ("marked", "since", "until", "expected"),
    [
        ({0}, 0, 1440, [(0, 1)]),
        ({1439}, 0, 1440, [(1439, 1440)]),
        ({3, 4, 5, 9}, 0, 1440, [(9, 10), (3, 6)]),
        ({3, 4, 5, 9}, 4.5, 9.25, [(9, 9.25), (4.5, 6)]),
        ({3, 4, 5, 9}, 6, 9, []),
        (set(), 0, 1440, []),
    ],
)
def test_spans_are_the_marked_minutes_newest_first(
    marked: set[int], since: float, until: float, expected: list[tuple[float, float]]
) -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC)

    def span(first: float, last: float) -> Span:
        return Span(day + timedelta(minutes=first), day + timedelta(minutes=last))

    minutes = "".join("1" if n in marked else "0" for n in range(1440))
    assert list(spans_of(day, minutes, span(since, until))) == [span(*each) for each in expected]
