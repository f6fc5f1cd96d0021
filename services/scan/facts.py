"""What the registry says about units, kept for less than a second.

Entries expire 0.9 s after their query *began*, so a recall is obeyed within a second even when no news of it arrives;
news only makes it sooner. Absent units are kept, too: guessing codes must not reach the database each time.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from services.scan import metrics
from services.scan.model import UnitFacts

Load = Callable[[Sequence[int]], Awaitable[Mapping[int, UnitFacts]]]
"""Reads the facts of the units that exist, by id, in one query."""


@dataclass(frozen=True, slots=True)
class _Entry:
    facts: UnitFacts | None
    good_until: float


class FactsCache:
    """Facts by unit id."""

    def __init__(self, load: Load, *, seconds: float, entries: int, now: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._seconds = seconds
        self._max_entries = entries
        self._now = now
        # Oldest first, which is also the order in which they expire: all live equally long.
        self._entries: dict[int, _Entry] = {}
        self._news = 0

    async def get(self, unit_ids: Collection[int]) -> dict[int, UnitFacts | None]:
        """Return the facts of units, None for those that were never issued; Unavailable when the database is away."""
        now = self._now()
        found: dict[int, UnitFacts | None] = {}
        missing = []
        for unit_id in set(unit_ids):
            entry = self._entries.get(unit_id)
            if entry is not None and entry.good_until > now:
                found[unit_id] = entry.facts
            else:
                missing.append(unit_id)
        metrics.FACTS_HITS.inc(len(found))
        if missing:
            metrics.FACTS_MISSES.inc(len(missing))
            await self._read(missing, found)
        return found

    def forget(self, unit_id: int) -> None:
        """Drop what is known of a unit: it has changed."""
        self._news += 1
        self._entries.pop(unit_id, None)

    def forget_range(self, first_unit_id: int, last_unit_id: int) -> None:
        """Drop what is known of the units from one id to another."""
        self._news += 1
        if last_unit_id - first_unit_id < len(self._entries):
            for unit_id in range(first_unit_id, last_unit_id + 1):
                self._entries.pop(unit_id, None)
        else:
            for unit_id in [unit_id for unit_id in self._entries if first_unit_id <= unit_id <= last_unit_id]:
                del self._entries[unit_id]

    def forget_all(self) -> None:
        """Drop everything: a batch has changed, or news may have been missed."""
        self._news += 1
        self._entries.clear()

    async def _read(self, missing: Sequence[int], found: dict[int, UnitFacts | None]) -> None:
        good_until, news = self._now() + self._seconds, self._news
        facts = await self._load(missing)
        for unit_id in missing:
            found[unit_id] = facts.get(unit_id)
            if news == self._news:  # otherwise the query may have seen what it was before the change
                self._keep(unit_id, _Entry(found[unit_id], good_until))

    def _keep(self, unit_id: int, entry: _Entry) -> None:
        self._entries.pop(unit_id, None)
        self._entries[unit_id] = entry
        now = self._now()
        while (oldest := next(iter(self._entries))) != unit_id and (
            len(self._entries) > self._max_entries or self._entries[oldest].good_until <= now
        ):
            del self._entries[oldest]
