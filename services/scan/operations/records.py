"""What tenants ask about recorded scans, through the service that answers for their right to ask."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from services.common.clock import Clock
from services.scan.records import Position, ScanFilter, ScanRecord, Summary, SummaryRequest
from services.scan.storage import records as storage
from services.scan.storage import rollups
from services.scan.storage.connection import HeldConnection

_STREAMED_AT_ONCE = 1_000


class Records:
    """Reads recorded scans, on a connection of its own: lists keep no scan waiting."""

    def __init__(self, *, connection: HeldConnection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    async def page(
        self, wanted: ScanFilter, *, behind: Position | None, limit: int
    ) -> tuple[Sequence[ScanRecord], Position | None]:
        """Return scans, newest first, and where the next page begins, None on the last one."""
        found = await storage.page(self._connection, wanted, behind=behind, limit=limit + 1)
        records = found[:limit]
        return records, records[-1].position if len(found) > limit else None

    async def stream(self, wanted: ScanFilter) -> AsyncIterator[Sequence[ScanRecord]]:
        """Yield all scans up to now, newest first, a page at a time; nothing is held between pages."""
        now = self._clock.now()
        fixed = replace(wanted, until=min(wanted.until or now, now))
        behind = None
        while True:
            records, behind = await self.page(fixed, behind=behind, limit=_STREAMED_AT_ONCE)
            if records:
                yield records
            if behind is None:
                return

    async def summary(self, make: Callable[[Clock], SummaryRequest]) -> Summary:
        """Return what the sums say; `make` makes the request as of now. InvalidArgument."""
        return await rollups.summary(self._connection, make(self._clock))
