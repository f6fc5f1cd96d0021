"""The database's clock, as a process has it."""

from datetime import UTC, datetime, timedelta

import pytest

from services.common.errors import Unavailable
from services.scan.database_clock import DatabaseClock, following
from services.scan.storage.connection import HeldConnection
from services.scan.storage.registry import time_of


class Counting:
    """A monotonic clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def counting() -> Counting:
    return Counting()


async def test_before_the_database_was_heard_of_there_is_no_time() -> None:
    clock = DatabaseClock()
    assert not clock.is_set
    with pytest.raises(Unavailable):
        clock.now()
    away = HeldConnection(dsn="postgresql://nobody@127.0.0.1:1/none", name="away", timeout_seconds=1)
    async with following(clock, away):
        with pytest.raises(Unavailable):
            clock.now()


async def test_it_is_the_databases_time_and_goes_on_by_counting(connection: HeldConnection, counting: Counting) -> None:
    clock = DatabaseClock(monotonic=counting)
    before = await time_of(connection)
    await clock.look(connection)
    seen = clock.now()
    assert before <= seen <= await time_of(connection)
    assert seen.utcoffset() == timedelta()
    counting.seconds += 3600
    assert clock.now() == seen + timedelta(hours=1)


async def test_another_look_corrects_it_and_no_more_than_it_must(
    connection: HeldConnection, counting: Counting
) -> None:
    clock = DatabaseClock(monotonic=counting)
    await clock.look(connection)
    counting.seconds += 7200  # it believes that it is two hours later than it is
    await clock.look(connection)
    assert abs(clock.now() - await time_of(connection)) < timedelta(seconds=5)
    steady = DatabaseClock()
    await steady.look(connection)
    earlier = steady.now()
    for _ in range(20):
        await steady.look(connection)
        assert steady.now() >= earlier - timedelta(milliseconds=1)
        earlier = steady.now()


async def test_it_is_set_from_the_start_where_the_database_answers(connection: HeldConnection) -> None:
    clock = DatabaseClock()
    async with following(clock, connection):
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5), "the test's database is on this machine"
