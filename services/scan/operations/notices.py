"""Telling Factory what happened to units: reports, and scans of high risk. At least once; Factory takes each once."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from services.common.clock import Clock
from services.common.errors import VokeTagError
from services.common.logs import get_logger
from services.scan.model import Notice
from services.scan.storage import notices as storage
from services.scan.storage.connection import HeldConnection

KEPT = timedelta(days=7)
"""How long a notice stays after Factory took it, for whoever looks for one that went missing."""
_PAGE = 500
_STRETCH = 5_000
_log = get_logger(__name__)


class Taker(Protocol):
    """Takes notices somewhere else."""

    async def take(self, notices: Sequence[Notice]) -> None:
        """Return when all of them are taken."""
        ...


class Notices:
    """Delivers what waits."""

    def __init__(self, *, connection: HeldConnection, taker: Taker, clock: Clock) -> None:
        self._connection = connection
        self._taker = taker
        self._clock = clock

    async def deliver(self) -> None:
        """Deliver until nothing waits; whatever is away, the next run goes on."""
        try:
            while page := await storage.waiting(self._connection, _PAGE):
                await self._taker.take(page)
                await storage.mark_sent(self._connection, [each.notice_id for each in page], self._clock.now())
        except VokeTagError as error:
            _log.warning("notices wait for Factory", reason=error.reason, error=error.message)

    async def note_high_risk(self) -> None:
        """Make notices of the scans of high risk that the ledger has taken since the last run."""
        while await storage.note_high_risk(self._connection, _STRETCH) == _STRETCH:
            pass

    async def forget(self) -> None:
        """Delete notices that were taken long ago."""
        await storage.forget_sent_before(self._connection, self._clock.now() - KEPT)
