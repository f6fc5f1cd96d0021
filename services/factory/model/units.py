"""Units: single items with a code of their own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from uuid import UUID

from services.common.errors import WrongBatchState
from services.factory.model.batches import Batch, BatchState

_ISSUED = frozenset({BatchState.ANCHORING, BatchState.COMPLETED, BatchState.ANCHOR_FAILED})


class UnitState(IntEnum):
    """A tenant's word on a unit. The values are those of `voketag.factory.v1.UnitState` and stand in the database."""

    ACTIVE = 1
    SUSPENDED = 2
    RECALLED = 3
    BLOCKED = 4
    SOLD = 5


class UnitStateReason(IntEnum):
    """Why; the values are those of `voketag.factory.v1.UnitStateReason`, and stand in the database."""

    UNSPECIFIED = 0
    STOLEN = 1
    LOST = 2
    OVERPRINT = 3
    MISPRINT = 4
    QUALITY = 5
    COUNTERFEIT = 6
    OTHER = 7


@dataclass(frozen=True, slots=True)
class StoredUnit:
    """A unit as it is stored: without its code, which only the signing key can tell."""

    unit_id: int
    serial: str
    state: UnitState
    state_reason: UnitStateReason
    state_changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit with its code. `index` is its place in the batch and in the batch's tree, from 0.

    `attributes` are the further cells of its row in the file that it was imported from.
    """

    index: int
    batch_id: UUID
    stored: StoredUnit
    code: str
    url: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExportSlice:
    """Units from `first_index` on, as columns: one object a unit would take longer than all else.

    `rows` are those of the batch's file as they are kept (`model.imports.joined`), none when it has no further columns.
    """

    first_index: int
    first_unit_id: int
    base_url: str
    columns: Sequence[str]
    serials: Sequence[str]
    states: Sequence[str]
    codes: Sequence[str]
    rows: Sequence[str]


def check_issued(batch: Batch) -> None:
    """Refuse a batch that has not all of its units yet, or whose units are void: WrongBatchState."""
    if batch.state not in _ISSUED:
        raise WrongBatchState(batch.state.name, "a batch with all its units issued")


def printed_url(verification_base_url: str, code: str) -> str:
    """Return what is printed for a code."""
    return f"{verification_base_url}/r/{code}"
