"""What the registry says about units, kept for less than a second.

Entries expire 0.9 s after their query *began*, so a recall is obeyed within a second even when no news of it arrives;
news only makes it sooner. Absent units are kept, too: guessing codes must not reach the database each time.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from services.scan import metrics
from services.scan.batching import Batcher
from services.scan.model import UnitFacts

Load = Callable[[Sequence[int]], Awaitable[Mapping[int, UnitFacts]]]
"""Reads the facts of the units that exist, by id."""


@dataclass(frozen=True, slots=True)
class _Entry:
    facts: UnitFacts | None
    good_until: float


class FactsCache:
    """Facts by unit id; misses that come together share one query."""

    def __init__(
        self,
        load: Load,
        *,
        seconds: float,
        entries: int,
        max_waiting: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._seconds = seconds
        self._max_entries = entries
        self._now = now
        # Oldest first, which is also the order in which they expire: all live equally long.
        self._entries: dict[int, _Entry] = {}
        self._batcher: Batcher[int, _Entry] = Batcher(self._read, max_size=500, max_waiting=max_waiting)
        self._news = 0

    async def get(self, unit_id: int) -> UnitFacts | None:
        """Return the facts, None for a unit that was never issued; Unavailable when the database is away."""
        entry = self._fresh(unit_id)
        if entry is None:
            metrics.FACTS_MISSES.inc()
            entry = await self._batcher.submit(unit_id)
        else:
            metrics.FACTS_HITS.inc()
        return entry.facts

    def forget(self, unit_id: int) -> None:
        """Drop what is known of a unit: it has changed."""
        self._news += 1
        self._entries.pop(unit_id, None)

    def forget_all(self) -> None:
        """Drop everything: a batch has changed, or news may have been missed."""
        self._news += 1
        self._entries.clear()

    async def aclose(self) -> None:
        """Finish the query under way."""
        await self._batcher.aclose()

    def _fresh(self, unit_id: int) -> _Entry | None:
        entry = self._entries.get(unit_id)
        return entry if entry is not None and entry.good_until > self._now() else None

    async def _read(self, unit_ids: Sequence[int]) -> list[_Entry]:
        found = {unit_id: entry for unit_id in unit_ids if (entry := self._fresh(unit_id)) is not None}
        missing = [unit_id for unit_id in dict.fromkeys(unit_ids) if unit_id not in found]
        if missing:
            good_until, news = self._now() + self._seconds, self._news
            facts = await self._load(missing)
            for unit_id in missing:
                found[unit_id] = entry = _Entry(facts.get(unit_id), good_until)
                if news == self._news:  # otherwise the query may have seen what it was before the change
                    self._keep(unit_id, entry)
        return [found[unit_id] for unit_id in unit_ids]

    def _keep(self, unit_id: int, entry: _Entry) -> None:
        self._entries.pop(unit_id, None)
        self._entries[unit_id] = entry
        now = self._now()
        while (oldest := next(iter(self._entries))) != unit_id and (
            len(self._entries) > self._max_entries or self._entries[oldest].good_until <= now
        ):
            del self._entries[oldest]
