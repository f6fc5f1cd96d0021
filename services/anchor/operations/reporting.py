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
    """Reports outcomes. Twice is harmless: Factory takes the same outcome of a batch as often as it comes."""

    def __init__(self, *, database: Database, clock: Clock, factory: Factory) -> None:
        self._database = database
        self._clock = clock
        self._factory = factory

    async def report(self) -> bool:
        """Report what is due; return whether there may be more that is due now."""
        async with self._database.reading() as tx:
            due = await storage.due(tx, now=self._clock.now(), limit=_BATCH)
        lanes = asyncio.Semaphore(_AT_ONCE)
        ends = await asyncio.gather(*(self._report(outcome, lanes) for outcome in due), return_exceptions=True)
        for end in ends:
            if end is not None:
                raise end
        return len(due) == _BATCH

    async def _report(self, outcome: Outcome, lanes: asyncio.Semaphore) -> None:
        async with lanes:
            try:
                await self._factory.report(outcome)
            except VokeTagError as error:
                _log.warning("Factory did not take an outcome", batch_id=str(outcome.batch_id), error=error.message)
                until = self._clock.now() + pause_after(outcome.attempts + 1)
                async with self._database.transaction() as tx:
                    await storage.postpone(tx, outcome, until=until)
                return
            async with self._database.transaction() as tx:
                await storage.mark_reported(tx, outcome, now=self._clock.now())


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after that many attempts: 1, 2, 4 ... seconds, at most a minute."""
    return timedelta(seconds=min(2 ** min(attempts - 1, 16), _LONGEST_PAUSE_SECONDS))
