"""Work that arrives together: order, bounds, failures."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.batching import Batcher
from services.common.errors import Unavailable


async def test_what_arrives_during_a_run_is_the_next_run() -> None:
    runs: list[list[int]] = []
    opened = asyncio.Event()

    async def run(items: Sequence[int]) -> list[int]:
        runs.append(list(items))
        await opened.wait()
        return list(items)

    batcher: Batcher[int, int] = Batcher(run, max_size=3, max_waiting=10)
    tasks = [asyncio.create_task(batcher.submit(0))]
    await asyncio.sleep(0.01)
    tasks += [asyncio.create_task(batcher.submit(item)) for item in range(1, 6)]
    await asyncio.sleep(0.01)
    opened.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4, 5]
    assert runs == [[0], [1, 2, 3], [4, 5]]


async def test_a_lone_item_does_not_linger() -> None:
    async def run(items: Sequence[int]) -> list[int]:
        return list(items)

    batcher: Batcher[int, int] = Batcher(run, max_size=10, max_waiting=10, linger_seconds=5)
    async with asyncio.timeout(1):
        assert [await batcher.submit(item) for item in (1, 2)] == [1, 2]


async def test_a_small_run_after_one_with_company_lingers_for_more() -> None:
    runs: list[int] = []

    async def run(items: Sequence[int]) -> list[int]:
        runs.append(len(items))
        return list(items)

    batcher: Batcher[int, int] = Batcher(run, max_size=100, max_waiting=100, linger_seconds=0.02)
    await asyncio.gather(batcher.submit(1), batcher.submit(2))
    early = asyncio.create_task(batcher.submit(3))
    await asyncio.sleep(0.005)
    await asyncio.gather(early, batcher.submit(4))
    assert runs == [2, 2]


async def test_runs_overlap_when_enough_wait_and_not_for_a_few() -> None:
    runs: list[int] = []
    opened = asyncio.Event()

    async def run(items: Sequence[int]) -> list[int]:
        runs.append(len(items))
        await opened.wait()
        return list(items)

    batcher: Batcher[int, int] = Batcher(run, max_size=100, max_waiting=100, overlapping=2)
    tasks = [asyncio.create_task(batcher.submit(0))]
    await asyncio.sleep(0.01)
    for wave in (range(1, 16), range(16, 17), range(17, 50)):
        tasks += [asyncio.create_task(batcher.submit(item)) for item in wave]
        await asyncio.sleep(0.01)
    assert runs == [1, 16], "fifteen wait for the first run, the sixteenth starts a second, and there is no third"
    opened.set()
    assert await asyncio.gather(*tasks) == list(range(50))
    assert runs == [1, 16, 33]
    await batcher.aclose()


async def test_too_many_waiting_are_turned_away_at_once() -> None:
    opened = asyncio.Event()

    async def run(items: Sequence[int]) -> list[int]:
        await opened.wait()
        return list(items)

    batcher: Batcher[int, int] = Batcher(run, max_size=1, max_waiting=2)
    running = asyncio.create_task(batcher.submit(0))
    await asyncio.sleep(0.01)
    waiting = [asyncio.create_task(batcher.submit(item)) for item in (1, 2)]
    await asyncio.sleep(0.01)
    with pytest.raises(Unavailable):
        await batcher.submit(3)
    opened.set()
    assert await asyncio.gather(running, *waiting) == [0, 1, 2]


async def test_a_failed_run_fails_its_own_items_only() -> None:
    async def run(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise Unavailable
        return list(items)

    batcher: Batcher[int, int] = Batcher(run, max_size=2, max_waiting=10)
    results = await asyncio.gather(*(batcher.submit(item) for item in (1, 13, 2, 3)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable, int, int]


async def test_a_caller_who_gives_up_disturbs_nobody() -> None:
    opened = asyncio.Event()

    async def run(items: Sequence[int]) -> list[int]:
        await opened.wait()
        return list(items)

    batcher: Batcher[int, int] = Batcher(run, max_size=10, max_waiting=10)
    gone, staying = (asyncio.create_task(batcher.submit(item)) for item in (1, 2))
    await asyncio.sleep(0.01)
    gone.cancel()
    opened.set()
    assert await staying == 2
    await batcher.aclose()


@given(st.lists(st.lists(st.integers(), max_size=8), max_size=8), st.integers(1, 5))
def test_everybody_gets_their_own_result(waves: list[list[int]], max_size: int) -> None:
    async def check() -> None:
        async def run(items: Sequence[int]) -> list[tuple[str, int]]:
            assert len(items) <= max_size
            await asyncio.sleep(0)
            return [("did", item) for item in items]

        batcher: Batcher[int, tuple[str, int]] = Batcher(run, max_size=max_size, max_waiting=1000)
        tasks = []
        for wave in waves:
            tasks += [(item, asyncio.create_task(batcher.submit(item))) for item in wave]
            await asyncio.sleep(0)
        for item, task in tasks:
            assert await task == ("did", item)

    asyncio.run(check())


async def test_nobody_waits_longer_than_the_time_whether_in_a_run_or_before_it() -> None:
    opened = asyncio.Event()

    async def run(items: Sequence[int]) -> list[int]:
        await opened.wait()
        return list(items)

    batcher: Batcher[int, int] = Batcher(run, max_size=1, max_waiting=10, timeout_seconds=0.1)
    loop = asyncio.get_running_loop()
    started = loop.time()
    first, second = asyncio.create_task(batcher.submit(1)), asyncio.create_task(batcher.submit(2))
    await asyncio.sleep(0.05)
    third = asyncio.create_task(batcher.submit(3))
    for task, end in ((first, 0.1), (second, 0.1), (third, 0.15)):
        with pytest.raises(Unavailable):
            await task
        assert end <= loop.time() - started + 0.001 < end + 0.04
    opened.set()
    assert await batcher.submit(4) == 4
    await batcher.aclose()


async def test_a_result_in_time_is_given_and_the_next_one_has_its_own_time() -> None:
    async def run(items: Sequence[float]) -> list[float]:
        await asyncio.sleep(max(items))
        return list(items)

    batcher: Batcher[float, float] = Batcher(run, max_size=10, max_waiting=10, timeout_seconds=0.1)
    for _ in range(4):
        assert await batcher.submit(0.06) == 0.06
    with pytest.raises(Unavailable):
        await batcher.submit(0.15)
    await batcher.aclose()
