"""SQL on jobs that change the states of many units; what a worker does is bound to the lease that it holds."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Row, Text, any_, case, cast, delete, func, insert, null, or_, select, update

from services.common.database import Transaction
from services.common.errors import JobNotFound
from services.factory.model.imports import RECORD_SEPARATOR
from services.factory.model.unit_states import (
    CHUNK_SERIALS,
    MISSING_NAMED,
    JobClaim,
    JobState,
    Progress,
    UnitStateJob,
)
from services.factory.model.units import UnitState, UnitStateReason
from services.factory.storage.issuing import LeaseLost
from services.factory.tables import unit_state_job_serials as lists
from services.factory.tables import unit_state_jobs as jobs
from services.factory.tables import units


async def add(tx: Transaction, job: UnitStateJob) -> UnitStateJob:
    """Store a job that is due at once."""
    row = {
        "job_id": job.job_id,
        "tenant_id": job.tenant_id,
        "state": job.state.name,
        "batch_id": job.batch_id,
        "first_unit_id": job.first_unit_id,
        "unit_state": job.unit_state.value,
        "reason": job.reason.value,
        "total": job.total,
        "created_by": job.created_by,
        "created_at": job.created_at,
        "due_at": func.now(),
    }
    return _job((await tx.connection.execute(insert(jobs).values(row).returning(jobs))).one())


async def add_serials(tx: Transaction, job_id: UUID, start: int, serials: Sequence[str]) -> None:
    """Store serials of a job, from the `start`-th on: CHUNK_SERIALS of them, but for the last."""
    await tx.connection.execute(
        insert(lists).values(job_id=job_id, start=start, serials=RECORD_SEPARATOR.join(serials))
    )


async def serials_at(tx: Transaction, job: UnitStateJob) -> list[str]:
    """Return the serials that a job looks at next."""
    found = await tx.connection.execute(
        select(lists.c.serials).where(
            lists.c.job_id == job.job_id, lists.c.start == job.done // CHUNK_SERIALS * CHUNK_SERIALS
        )
    )
    return str(found.scalar_one()).split(RECORD_SEPARATOR)


async def get(tx: Transaction, tenant_id: UUID, job_id: UUID) -> UnitStateJob:
    """Return a tenant's job; JobNotFound otherwise."""
    row = (
        await tx.connection.execute(select(jobs).where(jobs.c.tenant_id == tenant_id, jobs.c.job_id == job_id))
    ).one_or_none()
    if row is None:
        raise JobNotFound
    return _job(row)


async def page(tx: Transaction, tenant_id: UUID, *, below: UUID | None, limit: int) -> list[UnitStateJob]:
    """Return up to `limit` of a tenant's jobs whose id is below `below`, newest first: ids rise with time."""
    query = select(jobs).where(jobs.c.tenant_id == tenant_id)
    if below is not None:
        query = query.where(jobs.c.job_id < below)
    return [_job(row) for row in await tx.connection.execute(query.order_by(jobs.c.job_id.desc()).limit(limit))]


async def claim_next(tx: Transaction, *, token: UUID, lease: timedelta) -> JobClaim | None:
    """Take the job that has been due longest and that nobody holds; None when there is none."""
    due = (
        select(jobs.c.job_id)
        .where(
            jobs.c.finished_at.is_(None),
            jobs.c.due_at <= func.now(),
            or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= func.now()),
        )
        .order_by(jobs.c.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    claimed = await tx.connection.execute(
        update(jobs)
        .where(jobs.c.job_id == due)
        .values(
            state=JobState.RUNNING.name,
            lease_token=token,
            lease_until=func.now() + lease,
            attempts=jobs.c.attempts + 1,
        )
        .returning(jobs),
    )
    row = claimed.first()
    return None if row is None else JobClaim(job=_job(row), token=token, lease=lease, attempts=row.attempts)


async def hold(tx: Transaction, claim: JobClaim) -> UnitStateJob:
    """Return the claimed job as it stands, and renew the lease; LeaseLost when another worker has it."""
    return await _bound(tx, claim, lease_until=func.now() + claim.lease)


async def advance(tx: Transaction, claim: JobClaim, progress: Progress) -> UnitStateJob:
    """Move the cursor over a chunk; at the end the job is done. The units' change belongs into the same transaction."""
    done = jobs.c.done + progress.looked_at
    named = (jobs.c.missing + cast(list(progress.missing[:MISSING_NAMED]), ARRAY(Text)))[1:MISSING_NAMED]
    at_end = done >= jobs.c.total
    return await _bound(
        tx,
        claim,
        done=done,
        changed=jobs.c.changed + progress.changed,
        missing=named,
        missing_count=jobs.c.missing_count + len(progress.missing),
        attempts=0,
        state=case((at_end, JobState.DONE.name), else_=JobState.RUNNING.name),
        finished_at=case((at_end, func.now()), else_=null()),
    )


async def give_back(tx: Transaction, claim: JobClaim, delay: timedelta) -> None:
    """Give the job back, not to be taken before `delay` has passed; behind the others that are due."""
    await _bound(tx, claim, due_at=func.now() + delay, lease_token=null(), lease_until=null())


async def fail(tx: Transaction, claim: JobClaim, error: str) -> None:
    """Give the job up. What it changed stays changed."""
    await _bound(tx, claim, state=JobState.FAILED.name, error=error, finished_at=func.now())


async def forget_serials(tx: Transaction, job_id: UUID) -> None:
    """Delete the serials of a job that has ended."""
    await tx.connection.execute(delete(lists).where(lists.c.job_id == job_id))


async def set_states_of_range(tx: Transaction, job: UnitStateJob, first_unit_id: int, end_unit_id: int) -> int:
    """Give the units of first_unit_id <= unit_id < end_unit_id the job's state; return how many did not have it."""
    return await _set_states(tx, job, units.c.unit_id >= first_unit_id, units.c.unit_id < end_unit_id)


async def set_states_of(tx: Transaction, job: UnitStateJob, unit_ids: Sequence[int]) -> int:
    """Give some units the job's state; return how many did not have it."""
    return await _set_states(tx, job, units.c.unit_id == any_(cast(unit_ids, ARRAY(BigInteger))))


async def _set_states(tx: Transaction, job: UnitStateJob, *which: Any) -> int:
    state, reason = job.unit_state.value, job.reason.value
    changed = await tx.connection.execute(
        update(units)
        .where(*which, or_(units.c.state != state, units.c.state_reason != reason))
        .values(state=state, state_reason=reason, state_changed_at=func.now())
    )
    return changed.rowcount


async def _bound(tx: Transaction, claim: JobClaim, **values: Any) -> UnitStateJob:
    row = (
        await tx.connection.execute(
            update(jobs)
            .where(jobs.c.job_id == claim.job.job_id, jobs.c.lease_token == claim.token, jobs.c.finished_at.is_(None))
            .values(**values)
            .returning(jobs)
        )
    ).one_or_none()
    if row is None:
        raise LeaseLost
    return _job(row)


def _job(row: Row[Any]) -> UnitStateJob:
    return UnitStateJob(
        job_id=row.job_id,
        tenant_id=row.tenant_id,
        state=JobState[row.state],
        batch_id=row.batch_id,
        first_unit_id=row.first_unit_id,
        unit_state=UnitState(row.unit_state),
        reason=UnitStateReason(row.reason),
        total=row.total,
        done=row.done,
        changed=row.changed,
        missing=row.missing,
        missing_count=row.missing_count,
        error=row.error,
        created_by=row.created_by,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
