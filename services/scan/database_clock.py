"""The time of scans: the database's, whatever the machine's own clock says.

Processes of one platform run on many machines, and the clock of one may be wrong, or be set while it runs. Were each to
stamp scans by its own, an hour between two of them would look like travel that nobody can make, minutes like a crowd of
devices at once, and a worker that is a year ahead would delete what is to be kept. PostgreSQL is the one clock that all
of them have, and without it there is no scan. It is asked now and then; in between the monotonic clock counts, which
nobody can set. Alternatives considered: stamps by the statement that records a scan (the verdict, which is in it,
depends on the time), bounds on how far a stamp may be off (tells that something is wrong, not what is right).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.common.repeating import running
from services.scan.storage import registry
from services.scan.storage.connection import HeldConnection

_EVERY_SECONDS = 1.0
_AT_FIRST_SECONDS = 0.1
_log = get_logger(__name__)


class DatabaseClock:
    """The database's time."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` counts seconds, and is never set."""
        self._monotonic = monotonic
        self._seen: tuple[datetime, float] | None = None

    @property
    def is_set(self) -> bool:
        """Whether the database was heard of."""
        return self._seen is not None

    def now(self) -> datetime:
        """Return the current time, aware, in UTC; Unavailable before the database was heard of."""
        if self._seen is None:
            raise Unavailable
        at, counted = self._seen
        return at + timedelta(seconds=self._monotonic() - counted)

    async def look(self, connection: HeldConnection) -> None:
        """Ask the database; Unavailable when it is away."""
        asked = self._monotonic()
        read = await registry.time_of(connection)
        answered = self._monotonic()
        # It read its clock at some moment in between. What is not contradicted by that stays as it is: the time
        # corrects itself by no more than it must, and does not tremble with every answer that took its time.
        latest = read + timedelta(seconds=answered - asked)
        told = read + (latest - read) / 2 if self._seen is None else min(max(self.now(), read), latest)
        self._seen = told, answered


@asynccontextmanager
async def following(clock: DatabaseClock, connection: HeldConnection) -> AsyncIterator[None]:
    """Keep a clock right for the length of the block; it begins with a look, for which nothing waits in vain."""
    try:
        await clock.look(connection)
    except Unavailable:
        _log.warning("the database's clock is not known yet")
    async with running(_follow(clock, connection)):
        yield


async def _follow(clock: DatabaseClock, connection: HeldConnection) -> None:
    while True:
        await asyncio.sleep(_EVERY_SECONDS if clock.is_set else _AT_FIRST_SECONDS)
        try:
            await clock.look(connection)
        except Unavailable:
            continue
        except Exception:
            # Everything that has a time depends on this to go on.
            _log.exception("looking at the database's clock failed, trying again")
