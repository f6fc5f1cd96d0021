"""Keeping the sums of scans up to date, a stretch of the ledger at a time."""

from services.common.clock import Clock
from services.scan import metrics
from services.scan.records import HOURS_KEPT, Interval
from services.scan.storage import ledger, rollups
from services.scan.storage.connection import HeldConnection

_STRETCH = 5_000
"""Entries that are added in one transaction; a new installation of the sums goes through the ledger in such steps."""


class Rollups:
    """Adds what the ledger has new."""

    def __init__(self, *, connection: HeldConnection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    async def add_new(self) -> None:
        """Add the ledger's new entries to the sums. Two at once wait for each other, and each entry counts once."""
        while await rollups.add_new(self._connection, _STRETCH) == _STRETCH:
            pass
        behind = await ledger.size(self._connection) - await rollups.counted_entries(self._connection)
        metrics.ROLLUPS_BEHIND.set(behind)

    async def forget_hours(self) -> None:
        """Delete the hours that no summary goes back to."""
        first = Interval.HOUR.beginning(self._clock.now()) - HOURS_KEPT
        await rollups.forget_hours_before(self._connection, first)
