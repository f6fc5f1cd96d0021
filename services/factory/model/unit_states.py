"""Changes of many units' states, as jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

from services.factory.model.units import UnitState, UnitStateReason

CHUNK_UNITS: Final = 10_000
"""Units of a range that one transaction changes: some 0.1 s, in which nobody else changes one of them."""
CHUNK_SERIALS: Final = 2_000
"""Serials of a list that one transaction looks up and changes."""
MISSING_NAMED: Final = 100
"""Serials without a unit that a job names; the others are counted."""


class JobState(IntEnum):
    """The life of a job; the values are those of `voketag.factory.v1.JobState`, the names stand in the database."""

    PENDING = 1
    RUNNING = 2
    DONE = 3
    FAILED = 4


@dataclass(frozen=True, slots=True)
class UnitStateJob:
    """A job as it stands. `first_unit_id` is None for a list of serials; `done` of `total` were looked at."""

    job_id: UUID
    tenant_id: UUID
    state: JobState
    batch_id: UUID | None
    first_unit_id: int | None
    unit_state: UnitState
    reason: UnitStateReason
    total: int
    done: int
    changed: int
    missing: Sequence[str]
    missing_count: int
    error: str
    created_by: str
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobClaim:
    """A job in the hands of one worker. `attempts` counts claims since the job last made progress."""

    job: UnitStateJob
    token: UUID
    lease: timedelta
    attempts: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What one chunk did: how many were looked at, and how many units were changed."""

    looked_at: int
    changed: int
    missing: Sequence[str] = ()
