"""Jobs are looked at when something says so, when their pause is over, and not after the end."""

import asyncio

import pytest

from services.common.repeating import first_of, repeat, running


class Counting:
    """A job that asks for a pause."""

    def __init__(self, pause: float) -> None:
        self.pause = pause
        self.looks = 0

    async def look(self) -> float:
        self.looks += 1
        return self.pause


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_nudge_ends_the_pause_and_the_end_ends_the_loop() -> None:
    job, wake, stop = Counting(3600), asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(repeat(job.look, wake=wake, stop=stop))
    await settle()
    assert job.looks == 1
    wake.set()
    await settle()
    assert job.looks == 2
    stop.set()
    await asyncio.wait_for(running, timeout=1)
    assert job.looks == 2


async def test_without_nudges_the_pause_itself_ends() -> None:
    job, stop = Counting(0.01), asyncio.Event()
    running = asyncio.create_task(repeat(job.look, wake=asyncio.Event(), stop=stop))
    await asyncio.sleep(0.2)
    stop.set()
    await running
    assert job.looks >= 3


async def test_a_nudge_during_the_look_is_not_lost() -> None:
    wake, stop = asyncio.Event(), asyncio.Event()

    class NudgedMeanwhile(Counting):
        async def look(self) -> float:
            wake.set()
            if await super().look() and self.looks == 2:
                stop.set()
            return self.pause

    await asyncio.wait_for(repeat(NudgedMeanwhile(3600).look, wake=wake, stop=stop), timeout=1)


async def test_waiting_for_the_first_leaves_no_task_behind() -> None:
    never = asyncio.Event()
    before = asyncio.all_tasks()
    await first_of(never.wait, seconds=0.01)
    assert asyncio.all_tasks() == before


async def test_an_error_of_a_job_is_not_swallowed() -> None:
    class Broken(Counting):
        async def look(self) -> float:
            raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError, match="a fault of ours"):
        await repeat(Broken(1).look, wake=asyncio.Event(), stop=asyncio.Event())


async def test_a_look_that_is_cut_off_gets_to_clean_up() -> None:
    stop, events = asyncio.Event(), []

    async def look() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            events.append("given back")

    waiting = asyncio.create_task(first_of(look, stop.wait))
    await settle()
    stop.set()
    await asyncio.wait_for(waiting, timeout=1)
    assert events == ["given back"]


async def test_what_runs_beside_a_block_has_ended_when_the_block_has() -> None:
    seen = []

    async def loop() -> None:
        try:
            seen.append("began")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            seen.append("ended")

    async with running(loop()):
        await settle()
        seen.append("inside")
    assert seen == ["began", "inside", "ended"]
