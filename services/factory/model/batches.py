"""Batches: what they are, and which state may follow which."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, IntEnum
from typing import Final
from uuid import UUID

NUMBERS_PER_KEY: Final = 1 << 40
UNITS_PER_PARTITION: Final = 1 << 24


class BatchState(Enum):
    """The life of a batch; the values are those of `voketag.factory.v1.BatchState`, the names stand in the database."""

    PENDING = 1
    ISSUING = 2
    ANCHORING = 3
    COMPLETED = 4
    FAILED = 5
    ANCHOR_FAILED = 6
    CANCELLED = 7


class BatchPriority(IntEnum):
    """How soon a batch is issued, among the tenant's own; the values are those of the contract and of the database."""

    LOW = 1
    NORMAL = 2
    HIGH = 3


TO_ISSUE: Final = frozenset({BatchState.PENDING, BatchState.ISSUING})
"""States in which a worker has units to write."""

TO_ANCHOR: Final = frozenset({BatchState.ANCHORING})
"""States in which a worker has a root to submit."""

OPEN: Final = TO_ISSUE | TO_ANCHOR
"""States in which a worker has something to do."""

RETRIES: Final[Mapping[BatchState, BatchState]] = {
    BatchState.FAILED: BatchState.PENDING,
    BatchState.ANCHOR_FAILED: BatchState.ANCHORING,
}
"""Where RetryBatch puts a stopped batch. Range, facts, cursor, tiles and root stay: it goes on and repeats nothing."""

CANCELLABLE: Final = frozenset({BatchState.PENDING, BatchState.ISSUING, BatchState.FAILED})
"""From ANCHORING on the root may be on its way to a chain that forgets nothing, so there is no way back."""

PAUSABLE: Final = TO_ISSUE
"""Only issuing is paused: a root that waits for the chain costs nobody anything."""

WATCH_ENDS: Final = frozenset({BatchState.COMPLETED, BatchState.FAILED, BatchState.ANCHOR_FAILED, BatchState.CANCELLED})
"""States after which WatchBatch has nothing more to say."""


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """What a partner asks for. Dates are None when not given."""

    product_id: UUID
    quantity: int
    lot: str = ""
    manufactured_at: date | None = None
    expires_at: date | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    priority: BatchPriority = BatchPriority.NORMAL
    chains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnitRange:
    """A contiguous range of unit numbers under one signing key; the i-th number is the batch's i-th leaf."""

    key_id: int
    first_number: int
    count: int

    @property
    def first_unit_id(self) -> int:
        """The 56-bit id of the first unit (architecture.md, section 5)."""
        return self.key_id << 40 | self.first_number

    def partition_starts(self) -> list[int]:
        """Return a unit id in each partition that the range touches: one, or two where it straddles a border."""
        first, last = self.first_unit_id, self.first_unit_id + self.count - 1
        return [first] if first // UNITS_PER_PARTITION == last // UNITS_PER_PARTITION else [first, last]


@dataclass(frozen=True, slots=True)
class BatchAnchor:
    """The transaction that carries the batch's root: hash with `0x`, block number, EIP-155 chain id."""

    tx_hash: str
    block_number: int
    chain_id: int


@dataclass(frozen=True, slots=True)
class AnchorOutcome:
    """What became of a batch's root: its place on the chain, or why anchoring was given up."""

    merkle_root: bytes
    anchor: BatchAnchor | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it stands.

    `merkle_root` is None until all units are written or the batch is cancelled, `anchor` until it is on the chain.
    `estimated_completion_at` is filled in for those who ask, and does not make two batches differ.
    """

    batch_id: UUID
    tenant_id: UUID
    product_id: UUID
    quantity: int
    state: BatchState
    issued_count: int
    lot: str
    manufactured_at: date | None
    expires_at: date | None
    metadata: Mapping[str, str]
    range: UnitRange
    facts: str | None
    merkle_root: bytes | None
    anchor: BatchAnchor | None
    error: str
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    sandbox: bool
    priority: BatchPriority
    paused: bool
    chains: tuple[str, ...] = ()
    estimated_completion_at: datetime | None = field(default=None, compare=False)

    @property
    def tree_size(self) -> int:
        """Leaves under the root: all units, or those that a cancelled batch had; 0 without a root."""
        return 0 if self.merkle_root is None else self.issued_count

    @property
    def waits_for_units(self) -> bool:
        """A worker writes its units, or will."""
        return self.state in TO_ISSUE and not self.paused


@dataclass(frozen=True, slots=True)
class BatchFilter:
    """Which batches a listing shows; None and "" mean all. `created_to` is not included."""

    product_id: UUID | None = None
    state: BatchState | None = None
    lot: str = ""
    created_from: datetime | None = None
    created_to: datetime | None = None
