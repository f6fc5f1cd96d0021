"""What a listing returns: items one by one, fetched chunk by chunk as they are asked for."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class AsyncItems(Generic[T]):
    """`async for item in items`, or `await items.all()`. Every iteration asks the platform afresh."""

    def __init__(self, chunks: Callable[[], AsyncGenerator[Sequence[T]]]) -> None:
        self.chunks = chunks
        """Iterate over the chunks (pages) as they come."""

    async def __aiter__(self) -> AsyncIterator[T]:
        """Yield the items in order."""
        async for chunk in self.chunks():
            for item in chunk:
                yield item

    async def all(self) -> list[T]:
        """Return all items."""
        return [item async for item in self]
