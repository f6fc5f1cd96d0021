"""What tenants ask about recorded scans, through the service that answers for their right to ask."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from services.common.clock import Clock
from services.scan.records import Position, ScanFilter, ScanRecord, Span, Summary, SummaryRequest, spans_of
from services.scan.storage import facets, rollups
from services.scan.storage import records as storage
from services.scan.storage.connection import HeldConnection

_STREAMED_AT_ONCE = 1_000
_MOST_SPANS_AT_ONCE = 256


class Records:
    """Reads recorded scans, on a connection of its own: lists keep no scan waiting."""

    def __init__(self, *, connection: HeldConnection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    async def page(
        self, wanted: ScanFilter, *, behind: Position | None, limit: int
    ) -> tuple[Sequence[ScanRecord], Position | None]:
        """Return scans, newest first, and where the next page begins, None on the last one."""
        found: list[ScanRecord] = []
        async for spans in self._spans(wanted, wanted.span(behind)):
            missing = limit + 1 - len(found)
            found += await storage.within(self._connection, wanted, spans, behind=behind, limit=missing)
            if len(found) > limit:
                break
        records = found[:limit]
        return records, records[-1].position if len(found) > limit else None

    async def _spans(self, wanted: ScanFilter, allowed: Span) -> AsyncIterator[Sequence[Span]]:
        """Yield the spans in which there may be what is wanted, newest first, a growing number at a time."""
        if not facets.facets_of(wanted):
            yield [allowed]
            return
        # Asked first: what is taken into the facets meanwhile is in the uncounted span as well.
        uncounted = await facets.oldest_uncounted(self._connection, wanted)
        if uncounted is not None and uncounted < allowed.until:
            yield [Span(max(uncounted, allowed.since), allowed.until)]
            allowed = Span(allowed.since, uncounted)
        at_once, until = 1, allowed.until
        while days := await facets.days(self._connection, wanted, since=allowed.since, until=until):
            until = days[-1].starts_at
            spans = [span for day in days for span in spans_of(*day, allowed)]
            while spans:
                yield spans[:at_once]
                spans, at_once = spans[at_once:], min(2 * at_once, _MOST_SPANS_AT_ONCE)

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
