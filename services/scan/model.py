"""What Scan knows and says: facts about units, scans and their verdicts. Pure; stdlib only."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from uuid import UUID


class UnitState(Enum):
    """The state that the maker gave a unit; the values are those of the registry and of the contracts."""

    ACTIVE = 1
    SUSPENDED = 2
    RECALLED = 3
    BLOCKED = 4


class Verdict(Enum):
    """What the platform says about a code; the values are those of `voketag.scan.v1.Verdict`."""

    AUTHENTIC = 1
    WARNING = 2
    HIGH_RISK = 3
    RECALLED = 4
    SUSPENDED = 5
    BLOCKED = 6
    EXPIRED = 7

    @property
    def valid(self) -> bool:
        """The code is genuine and the unit is in force. It says nothing about the item that carries the code."""
        return self.value <= Verdict.HIGH_RISK.value


WARNING_ABOVE = 40
HIGH_RISK_ABOVE = 70

_OF_STATE = {
    UnitState.RECALLED: Verdict.RECALLED,
    UnitState.SUSPENDED: Verdict.SUSPENDED,
    UnitState.BLOCKED: Verdict.BLOCKED,
}


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """What the maker registered about the product; absent texts are empty."""

    product_id: UUID
    name: str
    gtin: str
    category: str
    image_url: str


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What the maker registered about the batch."""

    batch_id: UUID
    lot: str
    manufactured_at: date | None
    expires_at: date | None


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """An issued unit as the registry has it, and the scans that were counted when this was read."""

    unit_id: int
    serial: str
    state: UnitState
    batch: BatchFacts
    product: ProductFacts
    known_scans: int


@dataclass(frozen=True, slots=True)
class Device:
    """What the scanning device tells about itself. None of it is believed; it is only hashed and compared."""

    address: str
    user_agent: str
    languages: str
    encodings: str
    screen: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class RecentHistory:
    """The unit's scans, every count including the scan in hand.

    `rapid` counts the last 30 seconds, `recent` the last 60; `degraded` says that the hot state was away and the counts
    come from the recorded scans alone.
    """

    total: int
    rapid: int
    recent: int
    devices: int
    degraded: bool = False


@dataclass(frozen=True, slots=True)
class RiskFactor:
    """One observation that raised the score."""

    name: str
    weight: int


@dataclass(frozen=True, slots=True)
class ScanEvent:
    """A scan as it is recorded: the row of `scan_events`."""

    verification_id: UUID
    unit_id: int
    batch_id: UUID
    scanned_at: datetime
    verdict: Verdict
    risk_score: int
    risk_factors: tuple[RiskFactor, ...]
    country: str
    device_hash: bytes
    address_hash: bytes
    degraded: bool


@dataclass(frozen=True, slots=True)
class ScanCount:
    """A recorded scan's place among the unit's scans: it was the `total`-th."""

    total: int
    first_scan_at: datetime


@dataclass(frozen=True, slots=True)
class Scan:
    """A recorded scan with all that its answer needs."""

    event: ScanEvent
    facts: UnitFacts
    history: RecentHistory
    count: ScanCount

    @property
    def is_first(self) -> bool:
        """Nobody checked this code before."""
        return self.count.total == 1


def verdict_of(*, state: UnitState, expires_at: date | None, today: date, score: int) -> Verdict:
    """Return the verdict: what the maker said about the unit comes first, then its expiry, then the score.

    `expires_at` is the last day of use; the unit is expired from the next day on, in UTC.
    """
    if state is not UnitState.ACTIVE:
        return _OF_STATE[state]
    if expires_at is not None and today > expires_at:
        return Verdict.EXPIRED
    if score > HIGH_RISK_ABOVE:
        return Verdict.HIGH_RISK
    if score > WARNING_ABOVE:
        return Verdict.WARNING
    return Verdict.AUTHENTIC


@dataclass(frozen=True, slots=True)
class UnitProof:
    """A unit's leaf and its path to the batch's root, as Factory gives it; hashes are raw bytes."""

    batch_id: str
    code: str
    serial: str
    batch_facts: str
    salt: bytes
    leaf_index: int
    tree_size: int
    batch_root: bytes
    inclusion_path: tuple[bytes, ...]
