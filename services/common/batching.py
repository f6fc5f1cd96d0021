"""Work that arrives together is done together.

While one run is under way, items gather; the next run starts when the last one ends and takes them all. A run costs
about the same for one item and for a hundred, so the cost of an item falls as load rises, and nobody waits when there
is none. Between no load and full load runs would still be small and many: there a run lingers for company.

A run that waits (for a disk, for another machine) leaves the processor idle. `overlapping` runs use it: the next one
starts before the last one has ended when enough items wait for it, so that no run becomes small for that.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from services.common.errors import Unavailable

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

_COMPANY = 16
_STILL_BUSY_SECONDS = 0.05


class Batcher(Generic[ItemT, ResultT]):
    """Runs `run(items)` for items submitted one by one; `run` returns one result per item, in order.

    When `run` raises, every item of that run gets the error; nothing is run twice. A small run right after one that had
    company waits `linger_seconds` for more. Up to `overlapping` runs are under way at once. Nobody waits longer than
    `timeout_seconds`; one timer watches over all of them, since all have the same time.
    """

    def __init__(
        self,
        run: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]],
        *,
        max_size: int,
        max_waiting: int,
        linger_seconds: float = 0,
        overlapping: int = 1,
        timeout_seconds: float = math.inf,
    ) -> None:
        self._run = run
        self._max_size = max_size
        self._max_waiting = max_waiting
        self._linger = linger_seconds
        self._overlapping = overlapping
        self._timeout = timeout_seconds
        self._promised: deque[tuple[float, asyncio.Future[ResultT]]] = deque()  # in the order of their ends
        self._watch: asyncio.TimerHandle | None = None
        self._busy_until = 0.0
        self._waiting: deque[tuple[ItemT, asyncio.Future[ResultT]]] = deque()
        self._under_way = 0
        self._draining: set[asyncio.Task[None]] = set()

    async def submit(self, item: ItemT) -> ResultT:
        """Return the item's result; raises what its run raised, or Unavailable when too many wait already or the time
        is over. An item whose time is over may still be in a run, or come into one."""
        if len(self._waiting) >= self._max_waiting:
            raise Unavailable("too many requests wait; try again")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ResultT] = loop.create_future()
        self._waiting.append((item, future))
        if self._timeout < math.inf:
            self._promised.append((loop.time() + self._timeout, future))
            if self._watch is None:
                self._watch = loop.call_later(self._timeout, self._give_up)
        if self._may_start(self._under_way):
            self._under_way += 1
            draining = asyncio.create_task(self._drain())
            self._draining.add(draining)
            draining.add_done_callback(self._draining.discard)
        return await future

    async def aclose(self) -> None:
        """Finish what waits."""
        await asyncio.gather(*self._draining)
        if self._watch is not None:
            self._watch.cancel()

    def _give_up(self) -> None:
        loop = asyncio.get_running_loop()
        self._watch = None
        while self._promised:
            end, future = self._promised[0]
            if not future.done():
                if end > loop.time():
                    self._watch = loop.call_at(end, self._give_up)
                    return
                future.set_exception(Unavailable())
            self._promised.popleft()

    def _may_start(self, others: int) -> bool:
        """Say whether a run may start beside others that are under way."""
        return not others or (others < self._overlapping and len(self._waiting) >= _COMPANY)

    async def _drain(self) -> None:
        try:
            while self._waiting and self._may_start(self._under_way - 1):
                if self._linger and len(self._waiting) < _COMPANY and time.monotonic() < self._busy_until:
                    await asyncio.sleep(self._linger)
                taken = [self._waiting.popleft() for _ in range(min(self._max_size, len(self._waiting)))]
                if taken:  # another run may have taken them meanwhile
                    await self._run_one(taken)
                if len(taken) > 1:
                    self._busy_until = time.monotonic() + _STILL_BUSY_SECONDS
        finally:
            self._under_way -= 1

    async def _run_one(self, taken: list[tuple[ItemT, asyncio.Future[ResultT]]]) -> None:
        try:
            results = await self._run([item for item, _ in taken])
        except Exception as error:  # handed to everyone who waits, who translate or log it
            for _, future in taken:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(taken, results, strict=True):
            if not future.done():  # its caller may have given up
                future.set_result(result)
        while self._promised and self._promised[0][1].done():
            self._promised.popleft()
