"""What the worker runs for changes of many units' states: one job at a time, woken by nudges and by itself.

What goes wrong is sorted here, as for batches (`jobs.py`): a lost lease is another worker's business; a database that
is away, full or out of time postpones the job; anything else is a fault of ours, tried a few times before the job
fails.
"""

import asyncio
import contextlib
from datetime import timedelta

from prometheus_client import Counter

from services.common.errors import ConcurrentUpdate, Unavailable
from services.common.logs import get_logger
from services.common.repeating import first_of, repeat
from services.factory.model.unit_states import JobClaim
from services.factory.operations.unit_states import UnitStateChanger
from services.factory.storage.issuing import LeaseLost

_ATTEMPTS_AT_A_FAULT = 5

_log = get_logger(__name__)
_turns = Counter(
    "voketag_factory_unit_state_turns", "Turns of jobs that change unit states, by how they went.", ["result"]
)


class UnitStateWorker:
    """Works on due jobs until it is told to stop."""

    def __init__(self, *, changer: UnitStateChanger, sweep_seconds: float) -> None:
        self._changer = changer
        self._sweep_seconds = sweep_seconds
        self._wake = asyncio.Event()

    def look(self) -> None:
        """Take a nudge: look for due jobs now."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then give back what is in hand, at the last whole chunk."""

        async def look() -> float:
            await first_of(self._sweep, stop.wait)
            return self._sweep_seconds

        await repeat(look, wake=self._wake, stop=stop)

    async def _sweep(self) -> None:
        try:
            while (claim := await self._changer.take()) is not None:
                _turns.labels(await self._turn(claim)).inc()
        except (Unavailable, ConcurrentUpdate):
            _log.warning("the database is away, looking again soon")
        except LeaseLost:
            _turns.labels("lost").inc()
        except Exception:
            # The loop is all that finds work; it must outlive whatever a sweep runs into.
            _log.exception("a sweep failed, looking again soon")

    async def _turn(self, claim: JobClaim) -> str:
        try:
            return "done" if await self._changer.work(claim) else "given_back"
        except asyncio.CancelledError:
            with contextlib.suppress(Unavailable, LeaseLost):
                await self._changer.give_back(claim, timedelta(0))
            raise
        except LeaseLost:
            return "lost"
        except (Unavailable, ConcurrentUpdate) as error:
            _log.warning("a change of unit states is postponed", job_id=str(claim.job.job_id), reason=error.message)
            await self._changer.postpone(claim)
            return "postponed"
        except Exception:
            _log.exception("unexpected error", job_id=str(claim.job.job_id), attempts=claim.attempts)
            if claim.attempts < _ATTEMPTS_AT_A_FAULT:
                await self._changer.postpone(claim)
                return "postponed"
            await self._changer.fail(claim, "internal error; the operator finds it in the worker's log")
            return "failed"
