"""What the worker runs: it takes due batches and works on them, several at a time.

One loop takes batches, woken by nudges and by itself every few seconds: a nudge says "look" and carries no work, so a
queue that was flushed or is away costs seconds, and there is one way for a batch to be taken. What goes wrong is
sorted here:

- LeaseLost: another worker has the batch, or it was cancelled. Nothing to do.
- A part is away (PostgreSQL, Anchor, a killed minting process): later, the batch does not fail.
- An error that will come again (no secret for the key, numbers taken): the batch fails and says why.
- Anything else is a fault of ours: logged, tried a few times, and then the batch fails.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from prometheus_client import Gauge, Histogram

from services.common.errors import DeadlineExceeded, PermissionDenied, Unauthenticated, Unavailable, VokeTagError
from services.common.logs import get_logger
from services.common.repeating import repeat
from services.factory.model.batches import TO_ANCHOR, TO_ISSUE, BatchState
from services.factory.model.issuing import Claim
from services.factory.operations.anchoring import Submitter
from services.factory.operations.claims import Claims
from services.factory.operations.issuing import Issuer
from services.factory.storage.issuing import LeaseLost

_ATTEMPTS_AT_A_FAULT = 5
_SUBMITTED_AT_ONCE = 4
# Between our own services a refused credential is a deployment in progress, not a property of the batch.
_PASSING = (Unavailable, DeadlineExceeded, Unauthenticated, PermissionDenied)

_log = get_logger(__name__)
_batch_seconds = Histogram(
    "voketag_factory_batch_seconds",
    "Time that a worker held a batch, by the state it found it in and how it went.",
    ["state", "result"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 120),
)
_due_batches = Gauge("voketag_factory_due_batches", "Batches that are due and not done, as this worker last saw.")


@dataclass(frozen=True, slots=True)
class _Lane:
    """Places for one kind of work, so that an Anchor that hangs takes none from the issuing of units."""

    states: frozenset[BatchState]
    work: Callable[[Claim], Awaitable[None]]
    places: int
    running: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def free(self) -> bool:
        return len(self.running) < self.places


class BatchWorker:
    """Works on due batches until it is told to stop."""

    def __init__(
        self,
        *,
        claims: Claims,
        issuer: Issuer,
        submitter: Submitter,
        at_once: int,
        sweep_seconds: float,
    ) -> None:
        self._claims = claims
        self._lanes = (
            _Lane(TO_ISSUE, issuer.issue, at_once),
            _Lane(TO_ANCHOR, submitter.submit, _SUBMITTED_AT_ONCE),
        )
        self._sweep_seconds = sweep_seconds
        self._wake = asyncio.Event()

    async def look(self, _batch_id: str) -> None:
        """Take a nudge: look for due batches now."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then give back what is in hand, at the last whole chunk."""
        try:
            await repeat(self._sweep, wake=self._wake, stop=stop)
        finally:
            running = [task for lane in self._lanes for task in lane.running]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _sweep(self) -> float:
        try:
            for lane in self._lanes:
                while lane.free and (claim := await self._claims.take(lane.states)) is not None:
                    self._start(lane, claim)
            _due_batches.set(await self._claims.count_overdue())
        except Unavailable:
            _log.warning("the database is away, looking again soon")
        except Exception:
            # The loop is all that finds work; it must outlive whatever a sweep runs into.
            _log.exception("a sweep failed, looking again soon")
        return self._sweep_seconds

    def _start(self, lane: _Lane, claim: Claim) -> None:
        task = asyncio.create_task(self._hold(lane, claim))
        lane.running.add(task)

        def ended(_: asyncio.Task[None]) -> None:
            lane.running.discard(task)
            self._wake.set()  # a place is free, and the batch may be due for its next step

        task.add_done_callback(ended)

    async def _hold(self, lane: _Lane, claim: Claim) -> None:
        started = time.monotonic()
        result = "error"
        try:
            result = await self._work(lane, claim)
        except Unavailable:
            # The database went away before it heard how the work went: the lease runs out by itself.
            _log.warning("the batch waits for its lease to end", batch_id=str(claim.batch.batch_id))
        except LeaseLost:
            result = "lost"
        finally:
            _batch_seconds.labels(claim.batch.state.name, result).observe(time.monotonic() - started)

    async def _work(self, lane: _Lane, claim: Claim) -> str:
        batch_id = claim.batch.batch_id
        try:
            await lane.work(claim)
        except asyncio.CancelledError:
            with contextlib.suppress(Unavailable, LeaseLost):
                await self._claims.give_back(claim)
            raise
        except LeaseLost:
            _log.info("another worker has the batch, or it was cancelled", batch_id=str(batch_id))
            return "lost"
        except _PASSING as error:
            await self._postpone(claim, error)
            return "postponed"
        except VokeTagError as error:
            await self._fail(claim, error.message)
            return "failed"
        except Exception as error:
            _log.exception("unexpected error", batch_id=str(batch_id), attempts=claim.attempts)
            if claim.attempts < _ATTEMPTS_AT_A_FAULT:
                await self._postpone(claim, error)
                return "postponed"
            await self._fail(claim, "internal error; the operator finds it in the worker's log")
            return "failed"
        return "done"

    async def _postpone(self, claim: Claim, error: Exception) -> None:
        delay = await self._claims.postpone(claim)
        _log.warning(
            "batch postponed",
            batch_id=str(claim.batch.batch_id),
            seconds=delay.total_seconds(),
            reason=str(error),
        )

    async def _fail(self, claim: Claim, error: str) -> None:
        await self._claims.fail(claim, error)
        _log.error("batch failed", batch_id=str(claim.batch.batch_id), reason=error)
