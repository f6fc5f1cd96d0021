"""What Factory forgets, and when."""

from datetime import timedelta

from services.common.clock import Clock
from services.common.database import Database
from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.factory.storage import idempotency

ANSWERS_KEPT = timedelta(hours=24)
"""How long a request_id is remembered; the contract says so."""

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
