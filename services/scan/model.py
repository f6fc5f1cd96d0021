"""What Scan knows and says: facts about units, scans and their verdicts. Pure; stdlib only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from uuid import UUID

from voketag_kernel.receipts import AnchorProof, ChainAnchor


class UnitState(Enum):
    """The state that the maker gave a unit; the values are those of the registry and of the contracts."""

    ACTIVE = 1
    SUSPENDED = 2
    RECALLED = 3
    BLOCKED = 4
    SOLD = 5

    @property
    def in_force(self) -> bool:
        """The maker has nothing against the unit."""
        return self in {UnitState.ACTIVE, UnitState.SOLD}


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
    markets: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What the maker registered about the batch."""

    batch_id: UUID
    lot: str
    manufactured_at: date | None
    expires_at: date | None
    sandbox: bool


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    """What the tenant chose: the scores above which a verdict is a warning or high risk, factors that do not count, and
    the languages of its pages, the first of them for readers of others; none means all of ours."""

    warning_above: int
    high_risk_above: int
    disabled_factors: frozenset[str]
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """An issued unit as the registry has it, and the scans that were counted when this was read."""

    unit_id: int
    tenant_id: UUID
    serial: str
    state: UnitState
    state_reason: int
    batch: BatchFacts
    product: ProductFacts
    policy: TenantPolicy
    known_scans: int


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What recognises an API key: the hash of its secret, and when it ends, None for never."""

    secret_hash: bytes
    expires_at: datetime | None


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
class Visit:
    """The unit's scan before this one: where on the map, and how long ago."""

    cell: str
    seconds_ago: float


@dataclass(frozen=True, slots=True)
class RecentHistory:
    """The unit's scans, every count including the scan in hand.

    `recent` counts scans of the last 60 seconds. Sessions (one device within half an hour, see `sightings`) are counted
    where they began: `rapid_sessions` in the last 30 seconds, `recent_sessions` in the last 60. `devices` and
    `countries` are those of the last day; `countries` is 0 and `previous` None while places are not known. `degraded`
    says that the hot state was away and the counts come from the recorded scans alone.
    """

    total: int
    recent: int
    rapid_sessions: int
    recent_sessions: int
    devices: int
    countries: int = 0
    previous: Visit | None = None
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
    tenant_id: UUID
    product_id: UUID
    cell: str
    duplicate: bool


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


def verdict_of(*, state: UnitState, expires_at: date | None, today: date, score: int, policy: TenantPolicy) -> Verdict:
    """Return the verdict: what the maker said about the unit comes first, then its expiry, then the score.

    `expires_at` is the last day of use; the unit is expired from the next day on, in UTC.
    """
    if not state.in_force:
        return _OF_STATE[state]
    if expires_at is not None and today > expires_at:
        return Verdict.EXPIRED
    if score > policy.high_risk_above:
        return Verdict.HIGH_RISK
    if score > policy.warning_above:
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


@dataclass(frozen=True, slots=True)
class AnchorProofs:
    """A batch root's paths to the chains that have confirmed it, as Anchor gives them.

    `own` is that of the batch's own chain, None until it has; `chains` has all of them where the root goes to others.
    """

    own: AnchorProof | None
    chains: tuple[ChainAnchor, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportedUnit:
    """The unit that a report is about."""

    unit_id: int
    batch_id: UUID
    tenant_id: UUID


@dataclass(frozen=True, slots=True)
class Report:
    """A consumer's report as it is kept; `reason` is one of the contract's words."""

    report_id: UUID
    unit: ReportedUnit
    verification_id: UUID | None
    reason: str
    details: str
    device_hash: bytes
    address_hash: bytes
    request_id: UUID | None
    reported_at: datetime


@dataclass(frozen=True, slots=True)
class TakenReport:
    """What the consumer hears of a report: its id, and whether it was there before."""

    report_id: UUID
    already_reported: bool


class NoticeKind(Enum):
    """What Factory hears about a unit; the values are those of `voketag.factory.v1.UnitEventKind`."""

    REPORTED = 1
    HIGH_RISK = 2


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to a unit and that its maker wants to know; `notice_id` is the same however often it is
    sent."""

    notice_id: UUID
    kind: NoticeKind
    tenant_id: UUID
    unit_id: int
    batch_id: UUID
    occurred_at: datetime
    details: Mapping[str, str]
