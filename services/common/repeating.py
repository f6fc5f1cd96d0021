"""Loops: those of workers look, then wait for a nudge, for the end, or for some seconds.

A nudge says "look" and carries no work, so that a lost one costs seconds, and there is one way to find what is due.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager


async def repeat(look: Callable[[], Awaitable[float]], *, wake: asyncio.Event, stop: asyncio.Event) -> None:
    """Look again and again until `stop` is set: at once when `wake` is, else after the seconds that the look returns.

    A nudge that comes during a look is not lost. What a look raises ends the loop.
    """
    while not stop.is_set():
        wake.clear()
        pause = await look()
        await first_of(wake.wait, stop.wait, seconds=pause)


async def first_of(*waits: Callable[[], Awaitable[object]], seconds: float | None = None) -> None:
    """Wait until the first of them is over, or for some seconds; cancel the others."""
    tasks = [asyncio.ensure_future(wait()) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def running(loop: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Run something that would never end for the length of the block; at its end it is cancelled and waited for."""
    task = asyncio.create_task(loop)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
