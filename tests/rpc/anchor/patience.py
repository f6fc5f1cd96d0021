"""Waiting for what comes by itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def eventually(happened: Callable[[], Awaitable[bool] | bool], *, seconds: float = 15) -> None:
    """Wait until something has happened, by looking often; AssertionError when it has not in time."""
    deadline = time.monotonic() + seconds
    while True:
        outcome = happened()
        if await outcome if isinstance(outcome, Awaitable) else outcome:
            return
        assert time.monotonic() < deadline, f"it did not happen in {seconds:g} s"
        await asyncio.sleep(0.05)
