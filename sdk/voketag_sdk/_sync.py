"""The bridge from blocking code to the asynchronous implementation.

There is one implementation, the asynchronous one; each blocking client runs it in an event loop in a thread of its own.
Alternatives considered: a second implementation over gRPC's blocking API (twice the code, and the retries and resumed
streams are where the mistakes are), and source generated from the asynchronous one (gRPC's two APIs differ in more
than the word `await`: a blocking stream cannot be read with a time limit). The price is a hop between threads per
call, some tens of microseconds; streams hop once per chunk, not per item. A ParamSpec carries every signature over, so
that editors and type checkers see the same parameters in both clients.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from voketag_sdk._items import AsyncItems

P = ParamSpec("P")
T = TypeVar("T")
GroupT = TypeVar("GroupT")


class LoopThread:
    """An event loop in a daemon thread. A process that forks makes its clients after the fork."""

    def __init__(self) -> None:
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._until_closed(started)), name="voketag-sdk", daemon=True
        )
        self._thread.start()
        self._loop = started.result()

    async def _until_closed(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        started.set_result(asyncio.get_running_loop())
        await self._stop.wait()

    @property
    def closed(self) -> bool:
        """The loop has ended."""
        return not self._thread.is_alive()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the loop and return its result; an interrupt (Ctrl-C) cancels it.

        RuntimeError when the client is closed, or is closed by another thread meanwhile.
        """
        if self.closed:
            work.close()
            raise RuntimeError("this client is closed")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise RuntimeError("this client was closed in the middle of the call") from None
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End the loop and its thread; what still runs in it is cancelled."""
        if not self.closed:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()


class Items(Generic[T]):
    """`for item in items`, or `items.all()`. Every iteration asks the platform afresh."""

    def __init__(self, loop: LoopThread, items: AsyncItems[T]) -> None:
        self._loop = loop
        self._items = items

    def chunks(self) -> Iterator[Sequence[T]]:
        """Iterate over the chunks (pages) as they come."""
        iterator = self._items.chunks()

        async def following() -> Sequence[T] | None:
            return await anext(iterator, None)

        async def close() -> None:
            await iterator.aclose()

        try:
            while (chunk := self._loop.run(following())) is not None:
                yield chunk
        finally:
            if not self._loop.closed:
                self._loop.run(close())

    def __iter__(self) -> Iterator[T]:
        """Yield the items in order."""
        for chunk in self.chunks():
            yield from chunk

    def all(self) -> list[T]:
        """Return all items."""
        return list(self)


class SyncGroup(Generic[GroupT]):
    """Methods of one asynchronous object, blocking."""

    def __init__(self, loop: LoopThread, group: GroupT) -> None:
        self._loop = loop
        self._group = group


def blocking(
    method: Callable[Concatenate[GroupT, P], Awaitable[T]],
) -> Callable[Concatenate[SyncGroup[GroupT], P], T]:
    """Return the blocking form of a coroutine method."""

    @wraps(method)
    def run(self: SyncGroup[GroupT], /, *args: P.args, **kwargs: P.kwargs) -> T:
        async def work() -> T:
            return await method(self._group, *args, **kwargs)

        return self._loop.run(work())

    return run


def iterating(
    method: Callable[Concatenate[GroupT, P], AsyncItems[T]],
) -> Callable[Concatenate[SyncGroup[GroupT], P], Items[T]]:
    """Return the blocking form of a method that lists."""

    @wraps(method)
    def run(self: SyncGroup[GroupT], /, *args: P.args, **kwargs: P.kwargs) -> Items[T]:
        return Items(self._loop, method(self._group, *args, **kwargs))

    return run
