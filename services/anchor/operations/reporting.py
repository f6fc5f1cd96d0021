"""Last step: Factory hears of every outcome, at least once, however long it is away."""

import asyncio
from datetime import timedelta
from typing import Protocol

from services.anchor.model import Outcome
from services.anchor.storage import outcomes as storage
from services.common.clock import Clock
from services.common.database import Database
from services.common.errors import VokeTagError
from services.common.logs import get_logger

_BATCH = 200
_AT_ONCE = 8
_LONGEST_PAUSE_SECONDS = 60

_log = get_logger(__name__)


class Factory(Protocol):
    """Where outcomes go."""

    async def report(self, outcome: Outcome) -> None:
        """Hand over an outcome. VokeTagError when Factory is away or refuses it."""
        ...


class Reporting:
    """Reports outcomes. Twice is harmless: Factory takes the same outcome of a batch as often as it comes.

    So what Factory took is noted many at a time: 10,000 batches of one transaction cost 50 commits, not 10,000.
    """

    def __init__(self, *, database: Database, clock: Clock, factory: Factory) -> None:
        self._database = database
        self._clock = clock
        self._factory = factory

    async def report(self) -> bool:
        """Report what is due; return whether there may be more that is due now."""
        async with self._database.reading() as tx:
            due = await storage.due(tx, now=self._clock.now(), limit=_BATCH)
        if not due:
            return False
        lanes = asyncio.Semaphore(_AT_ONCE)
        taken = await asyncio.gather(*(self._hand_over(outcome, lanes) for outcome in due))
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await storage.mark_reported(tx, [outcome for outcome, ok in zip(due, taken, strict=True) if ok], now=now)
            later = {
                outcome: now + pause_after(outcome.attempts + 1)
                for outcome, ok in zip(due, taken, strict=True)
                if not ok
            }
            await storage.postpone(tx, later)
        return len(due) == _BATCH

    async def _hand_over(self, outcome: Outcome, lanes: asyncio.Semaphore) -> bool:
        async with lanes:
            try:
                await self._factory.report(outcome)
            except VokeTagError as error:
                _log.warning("Factory did not take an outcome", batch_id=str(outcome.batch_id), error=error.message)
                return False
            return True


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after that many attempts: 1, 2, 4 ... seconds, at most a minute."""
    return timedelta(seconds=min(2 ** min(attempts - 1, 16), _LONGEST_PAUSE_SECONDS))
