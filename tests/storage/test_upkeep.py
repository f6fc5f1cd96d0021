"""Upkeep on real PostgreSQL: jobs run when their time comes, one process of a service at a time, and never overlap."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.common import upkeep
from services.common.errors import Unavailable
from services.common.upkeep import Job, Upkeep
from tests.conftest import DatabaseUrl

MINUTE = timedelta(minutes=1)


class MovedClock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment


class Runs:
    """Counts the runs of a job, and the most that there were at once."""

    def __init__(self, *, seconds: float = 0, error: Exception | None = None) -> None:
        self.count = self.under_way = self.most_at_once = 0
        self._seconds = seconds
        self._error = error

    async def run(self) -> None:
        self.count += 1
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            await asyncio.sleep(self._seconds)
            if self._error is not None:
                raise self._error
        finally:
            self.under_way -= 1


def upkeep_of(url: str, clock: MovedClock, **jobs: tuple[timedelta, Runs]) -> Upkeep:
    made = [Job(name, every, runs.run) for name, (every, runs) in jobs.items()]
    return Upkeep(service="test", database_url=url, jobs=made, clock=clock)


@asynccontextmanager
async def running(*working: Upkeep) -> AsyncIterator[None]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(each.run(stop)) for each in working]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def until(condition: object, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.01)


async def test_a_job_runs_at_once_and_then_whenever_its_time_comes() -> None:
    clock, often, seldom = MovedClock(), Runs(), Runs()
    kept = upkeep_of("", clock, often=(MINUTE, often), seldom=(60 * MINUTE, seldom))
    assert await kept.run_due() == ["often", "seldom"]
    clock.moment += timedelta(seconds=59)
    assert await kept.run_due() == []
    clock.moment += timedelta(seconds=1)
    assert await kept.run_due() == ["often"]
    clock.moment += timedelta(days=3)
    assert await kept.run_due() == ["often", "seldom"], "time that passed unseen is one run, not many"
    assert (often.count, seldom.count) == (3, 2)


async def test_what_one_job_runs_into_is_its_own_affair(caplog: pytest.LogCaptureFixture) -> None:
    clock, broken, away, sound = MovedClock(), Runs(error=KeyError("a fault")), Runs(error=Unavailable()), Runs()
    kept = upkeep_of("", clock, broken=(MINUTE, broken), away=(MINUTE, away), sound=(MINUTE, sound))
    for _ in range(2):
        assert await kept.run_due() == ["broken", "away", "sound"]
        clock.moment += MINUTE
    assert (broken.count, away.count, sound.count) == (2, 2, 2)


async def test_a_run_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "LONGEST_RUN_SECONDS", 0.05)
    clock, endless = MovedClock(), Runs(seconds=3600)
    kept = upkeep_of("", clock, endless=(MINUTE, endless))
    await kept.run_due()
    clock.moment += MINUTE
    await kept.run_due()
    assert (endless.count, endless.under_way) == (2, 0)


async def test_a_run_that_takes_longer_than_its_interval_does_not_overlap_with_the_next(
    database_url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_LOOK_SECONDS", 0.01)
    clock, slow = MovedClock(), Runs(seconds=0.2)
    async with running(upkeep_of(database_url("voketag_factory"), clock, slow=(MINUTE, slow))):
        for _ in range(60):
            clock.moment += MINUTE
            await asyncio.sleep(0.01)
        await until(lambda: slow.count >= 3)
    assert slow.most_at_once == 1


async def test_of_two_processes_one_works_and_the_other_takes_over_when_its_session_dies(
    database_url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(upkeep, "_STANDBY_SECONDS", 0.1)
    clock, jobs = MovedClock(), (Runs(), Runs())
    url = database_url("voketag_factory")
    async with running(*(upkeep_of(url, clock, job=(MINUTE, runs)) for runs in jobs)):
        await until(lambda: jobs[0].count + jobs[1].count == 1)
        for _ in range(20):
            clock.moment += MINUTE
            await asyncio.sleep(0.02)
        working, idle = sorted(jobs, key=lambda runs: -runs.count)
        assert idle.count == 0
        assert working.count > 5
        owner = await asyncpg.connect(database_url())
        monkeypatch.setattr(upkeep, "_STANDBY_SECONDS", 5)  # whoever loses the session does not stand in line first
        killed = await owner.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_locks "
            "WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database "
            "WHERE datname = current_database())"
        )
        await owner.close()
        assert killed == 1
        await until(lambda: idle.count > 0)


async def test_services_do_not_stand_in_each_others_way(database_url: DatabaseUrl) -> None:
    clock, jobs = MovedClock(), (Runs(), Runs())
    both = [
        Upkeep(
            service=name,
            database_url=database_url(f"voketag_{name}"),
            jobs=[Job("job", MINUTE, runs.run)],
            clock=clock,
        )
        for name, runs in zip(("factory", "scan"), jobs, strict=True)
    ]
    async with running(*both):
        await until(lambda: jobs[0].count == jobs[1].count == 1)


async def test_upkeep_waits_for_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_STANDBY_SECONDS", 0.01)
    clock, runs = MovedClock(), Runs()
    async with running(upkeep_of("postgresql://nobody@127.0.0.1:1/none", clock, job=(MINUTE, runs))):
        await asyncio.sleep(0.2)
    assert runs.count == 0
