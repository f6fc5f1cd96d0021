"""What Factory forgets, and when."""

from datetime import timedelta

from services.common.clock import Clock
from services.common.database import Database
from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.factory.storage import idempotency
from services.factory.storage import imports as import_storage

ANSWERS_KEPT = timedelta(hours=24)
"""How long a request_id is remembered; the contract says so."""
REPORTS_KEPT = timedelta(hours=24)
"""How long it can be asked what was wrong with a refused file; the contract says so."""
_TILES_FREED = 32  # at once: some 8,000 serials

_log = get_logger(__name__)


class Retention:
    """Deletes what has had its time."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def forget_answers(self) -> None:
        """Forget the first answers of requests that nobody repeats any more. An outage leaves them to the next run."""
        try:
            async with self._database.transaction() as tx:
                forgotten = await idempotency.forget_before(tx, self._clock.now() - ANSWERS_KEPT)
        except Unavailable as error:
            _log.warning("old answers stay for now", error=error.message)
            return
        if forgotten:
            _log.info("old answers forgotten", count=forgotten)

    async def tidy_imports(self) -> None:
        """Forget old reports of refused files, and give back the serials of imported batches that were cancelled."""
        try:
            async with self._database.transaction() as tx:
                await import_storage.forget_reports_before(tx, self._clock.now() - REPORTS_KEPT)
            while await self._free_some_serials():
                pass
        except Unavailable as error:
            _log.warning("imports are tidied later", error=error.message)

    async def _free_some_serials(self) -> bool:
        """Free some serials of one cancelled batch; say whether there may be more."""
        async with self._database.transaction() as tx:
            batch_id = await import_storage.next_cancelled(tx)
            if batch_id is None:
                return False
            if not await import_storage.free_some(tx, batch_id, _TILES_FREED):
                await import_storage.mark_freed(tx, batch_id)
                _log.info("a cancelled batch gave its serials back", batch_id=str(batch_id))
            return True
