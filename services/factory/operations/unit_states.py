"""Changing the states of many units: ordered here as a job, done by a worker chunk by chunk.

A chunk, its units and the cursor are one transaction, so that a killed worker's successor goes on where the last whole
chunk ended and nothing is done twice. Scan hears of each chunk at once: one message for a range, however many units it
has. A worker gives a job back after some chunks, behind the others that are due, so that one of a million units holds
up nobody's hundred. Alternative considered: a state of the whole batch, which Scan reads beside the unit's. One row
instead of a million, and a second truth: a unit would be recalled and active at once, and a later change of one unit of
a recalled batch could not be told from an earlier one.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import InvalidArgument
from services.common.ids import uuid7
from services.common.queue import Queue
from services.factory.hot_state import HotState
from services.factory.model.page import Page
from services.factory.model.unit_states import (
    CHUNK_SERIALS,
    CHUNK_UNITS,
    JobClaim,
    JobState,
    Progress,
    UnitStateJob,
)
from services.factory.model.units import UnitState, UnitStateReason, check_issued
from services.factory.operations import audit
from services.factory.operations.batches import JOB
from services.factory.storage import batches, unit_serials
from services.factory.storage import unit_states as storage

_CHUNKS_IN_HAND = 20  # before the next job has its turn: some two seconds
_LONGEST_DELAY = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Change:
    """What units get, and who says so."""

    state: UnitState
    reason: UnitStateReason
    who: str


class UnitStates:
    """Jobs of one tenant at a time."""

    def __init__(self, *, database: Database, clock: Clock, queue: Queue) -> None:
        self._database = database
        self._clock = clock
        self._queue = queue

    async def change_range(
        self, tx: Transaction, tenant_id: UUID, change: Change, *, batch_id: UUID, first_index: int, count: int
    ) -> UnitStateJob:
        """Order a change of `count` units (0 for all) of a batch; BatchNotFound, WrongBatchState, InvalidArgument."""
        batch = await batches.get(tx, tenant_id, batch_id)
        check_issued(batch)
        left = batch.quantity - first_index
        if left < 1 or count > left:
            raise InvalidArgument.of("range", f"the batch has {batch.quantity} units, from index 0")
        first_unit_id = batch.range.first_unit_id + first_index
        return await self._add(
            tx, tenant_id, change, total=count or left, batch_id=batch_id, first_unit_id=first_unit_id
        )

    async def change_serials(
        self, tx: Transaction, tenant_id: UUID, change: Change, serials: AsyncIterator[Sequence[str]], total: int
    ) -> UnitStateJob:
        """Order a change of the units of `total` serials, which come CHUNK_SERIALS at a time."""
        job = await self._add(tx, tenant_id, change, total=total)
        start = 0
        async for chunk in serials:
            await storage.add_serials(tx, job.job_id, start, chunk)
            start += len(chunk)
        return job

    async def get(self, tenant_id: UUID, job_id: UUID) -> UnitStateJob:
        """Return a job; JobNotFound."""
        async with self._database.reading() as tx:
            return await storage.get(tx, tenant_id, job_id)

    async def list(self, tenant_id: UUID, *, before: UUID | None, limit: int) -> Page[UnitStateJob]:
        """Return jobs, newest first, from the one after `before` on."""
        async with self._database.reading() as tx:
            return Page.cut(await storage.page(tx, tenant_id, below=before, limit=limit + 1), limit)

    async def _add(self, tx: Transaction, tenant_id: UUID, change: Change, *, total: int, **which: Any) -> UnitStateJob:
        job = await storage.add(
            tx,
            UnitStateJob(
                job_id=uuid7(),
                tenant_id=tenant_id,
                state=JobState.PENDING,
                unit_state=change.state,
                reason=change.reason,
                total=total,
                done=0,
                changed=0,
                missing=(),
                missing_count=0,
                error="",
                created_by=change.who,
                created_at=self._clock.now(),
                finished_at=None,
                **({"batch_id": None, "first_unit_id": None} | which),
            ),
        )
        details: dict[str, str | int] = {"to": change.state.name, "units": total}
        if job.batch_id is not None and job.first_unit_id is not None:
            details |= {"batch_id": str(job.batch_id), "first_unit_id": job.first_unit_id}
        await audit.note(
            tx,
            tenant_id,
            who=change.who,
            action="units.set_states",
            subject=job.job_id,
            now=self._clock.now(),
            reason=change.reason.name,
            details=details,
        )
        tx.after_commit(lambda: self._queue.nudge(JOB, str(job.job_id)))
        return job


class UnitStateChanger:
    """Does jobs that are due, for one worker."""

    def __init__(self, *, database: Database, clock: Clock, hot_state: HotState, lease: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._hot_state = hot_state
        self._lease = lease

    async def take(self) -> JobClaim | None:
        """Take the job that has been due longest; None when none is due."""
        async with self._database.transaction() as tx:
            return await storage.claim_next(tx, token=uuid4(), lease=self._lease)

    async def work(self, claim: JobClaim) -> bool:
        """Do the next chunks of a job; say whether it is done. LeaseLost when another worker took it."""
        for _ in range(_CHUNKS_IN_HAND):
            if (await self._chunk(claim)).finished_at is not None:
                return True
        await self.give_back(claim, timedelta(0))
        return False

    async def give_back(self, claim: JobClaim, delay: timedelta) -> None:
        """Let another worker have the job, or this one later."""
        async with self._database.transaction() as tx:
            await storage.give_back(tx, claim, delay)

    async def postpone(self, claim: JobClaim) -> None:
        """Give a job back for later, the longer the more often it was tried."""
        await self.give_back(claim, min(_LONGEST_DELAY, timedelta(seconds=1) * (1 << min(claim.attempts - 1, 10))))

    async def fail(self, claim: JobClaim, error: str) -> None:
        """Give a job up."""
        async with self._database.transaction() as tx:
            await storage.fail(tx, claim, error)
            await storage.forget_serials(tx, claim.job.job_id)

    async def _chunk(self, claim: JobClaim) -> UnitStateJob:
        async with self._database.transaction() as tx:
            # First the job: it locks the row, and without the lease nothing else happens.
            job = await storage.hold(tx, claim)
            progress = await (self._serials(tx, job) if job.first_unit_id is None else self._range(tx, job))
            job = await storage.advance(tx, claim, progress)
            if job.finished_at is not None:
                await self._finished(tx, job)
        return job

    async def _range(self, tx: Transaction, job: UnitStateJob) -> Progress:
        assert job.first_unit_id is not None  # noqa: S101 - a job on a range
        count = min(CHUNK_UNITS, job.total - job.done)
        first = job.first_unit_id + job.done
        changed = await storage.set_states_of_range(tx, job, first, first + count)
        if changed:
            tx.after_commit(partial(self._hot_state.range_changed, first, first + count - 1))
        return Progress(looked_at=count, changed=changed)

    async def _serials(self, tx: Transaction, job: UnitStateJob) -> Progress:
        serials = await storage.serials_at(tx, job)
        found = await unit_serials.unit_ids(tx, job.tenant_id, serials)
        unit_ids = sorted(set(found.values()))
        changed = await storage.set_states_of(tx, job, unit_ids) if unit_ids else 0
        if changed:
            tx.after_commit(partial(self._hot_state.units_changed, unit_ids))
        missing = [serial for serial in serials if serial not in found]
        return Progress(looked_at=len(serials), changed=changed, missing=missing)

    async def _finished(self, tx: Transaction, job: UnitStateJob) -> None:
        await storage.forget_serials(tx, job.job_id)
        await audit.note(
            tx,
            job.tenant_id,
            who=job.created_by,
            action="units.states_set",
            subject=job.job_id,
            now=self._clock.now(),
            reason=job.reason.name,
            details={"to": job.unit_state.name, "changed": job.changed, "missing": job.missing_count},
        )


async def in_chunks(serials: Sequence[str]) -> AsyncIterator[Sequence[str]]:
    """Yield serials as `change_serials` takes them."""
    for start in range(0, len(serials), CHUNK_SERIALS):
        yield serials[start : start + CHUNK_SERIALS]
