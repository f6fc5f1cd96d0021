"""What is forgotten of events: published ones, ended deliveries with their log, and dead letters somebody decided
about.

What waits (events that nobody published, deliveries that are tried, open dead letters) is never forgotten by age. Rows
go a few thousand at a time, so that no statement holds much for long.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.factory.storage import dead_letters, deliveries, outbox

_ROWS = 5000
_ROUNDS = 20
_log = get_logger(__name__)


class EventRetention:
    """Deletes what has had its time."""

    def __init__(self, *, database: Database, clock: Clock, kept: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._kept = kept

    async def forget_events(self) -> None:
        """Delete what is older than is kept; what is left after a while, and an outage, are the next run's."""
        before = self._clock.now() - self._kept
        try:
            for what, forget in (
                ("events", outbox.forget_published),
                ("deliveries", deliveries.forget_ended),
                ("dead letters", dead_letters.forget_resolved),
            ):
                if forgotten := await self._forget(forget, before):
                    _log.info("forgotten", what=what, count=forgotten)
        except Unavailable as error:
            _log.warning("old events stay for now", error=error.message)

    async def _forget(self, forget: Callable[[Transaction, datetime, int], Awaitable[int]], before: datetime) -> int:
        forgotten = 0
        for _ in range(_ROUNDS):
            async with self._database.transaction() as tx:
                count = await forget(tx, before, _ROWS)
            forgotten += count
            if count < _ROWS:
                break
        return forgotten
