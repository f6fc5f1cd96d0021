"""What the platform answers with, as frozen dataclasses of plain Python values.

Times are aware datetimes in UTC, days are dates, absent values are None; texts that the contract leaves empty stay "".
Every enum has UNKNOWN for values that a newer platform may send. The contracts (`voketag.*.v1`) describe each field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Self


class _OpenEnum(StrEnum):
    """An enum that takes values from the future as UNKNOWN."""

    @classmethod
    def _missing_(cls, value: object) -> Self:  # noqa: ARG003
        return cls["UNKNOWN"]


class BatchState(_OpenEnum):
    """The life of a batch."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    ISSUING = "ISSUING"
    ANCHORING = "ANCHORING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    ANCHOR_FAILED = "ANCHOR_FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Nothing happens any more, unless someone retries the batch."""
        return self in {self.COMPLETED, self.FAILED, self.ANCHOR_FAILED, self.CANCELLED}


class BatchPriority(_OpenEnum):
    """How soon a batch is issued, among the tenant's own; between tenants turns are taken."""

    UNKNOWN = "UNKNOWN"
    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"


class UnitState(_OpenEnum):
    """The state that a tenant gives a unit."""

    UNKNOWN = "UNKNOWN"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    RECALLED = "RECALLED"
    BLOCKED = "BLOCKED"
    SOLD = "SOLD"


class UnitStateReason(_OpenEnum):
    """Why a unit's state changed. UNKNOWN also stands for "not given"."""

    UNKNOWN = "UNKNOWN"
    STOLEN = "STOLEN"
    LOST = "LOST"
    OVERPRINT = "OVERPRINT"
    MISPRINT = "MISPRINT"
    QUALITY = "QUALITY"
    COUNTERFEIT = "COUNTERFEIT"
    OTHER = "OTHER"


class TagType(_OpenEnum):
    """What carries a code."""

    UNKNOWN = "UNKNOWN"
    QR = "QR"
    NFC = "NFC"


class Verdict(_OpenEnum):
    """What the platform says about a code."""

    UNKNOWN = "UNKNOWN"
    AUTHENTIC = "AUTHENTIC"
    WARNING = "WARNING"
    HIGH_RISK = "HIGH_RISK"
    RECALLED = "RECALLED"
    SUSPENDED = "SUSPENDED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A kind of item that units are issued for."""

    id: str
    sku: str
    name: str
    gtin: str
    category: str
    description: str
    markets: tuple[str, ...]
    image_url: str
    metadata: Mapping[str, str]
    archived: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAnchor:
    """The transaction that carries a batch's root."""

    tx_hash: str
    block_number: int
    chain_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Units made together: one lot, one Merkle tree, one root."""

    id: str
    product_id: str
    quantity: int
    state: BatchState
    issued_count: int
    lot: str
    manufactured_at: date | None
    expires_at: date | None
    metadata: Mapping[str, str]
    merkle_root: str
    anchor: BatchAnchor | None
    error: str
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    sandbox: bool
    estimated_completion_at: datetime | None
    paused: bool
    tree_size: int
    priority: BatchPriority
    chains: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatement:
    """How many units a batch has. `jws` is the signed statement; `verify_statement` checks it offline."""

    jws: str
    ordered: int
    issued: int
    voided: int
    merkle_root: str
    tree_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitProof:
    """The way from a unit to its batch's root; `verify_unit_proof` checks it offline."""

    batch_id: str
    code: str
    serial: str
    batch_facts: str
    """RFC 8785 text, frozen when the batch was issued."""
    salt: bytes
    leaf_index: int
    tree_size: int
    batch_root: bytes
    inclusion_path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One item with its code."""

    index: int
    id: int
    serial: str
    code: str
    url: str
    state: UnitState
    state_reason: UnitStateReason
    state_changed_at: datetime | None = None
    """When the state last changed; None when it never did."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """The further columns of the file that it was imported from."""
    batch_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedUnit:
    """One row of an export: what a printing line needs."""

    index: int
    unit_id: int
    serial: str
    code: str
    url: str
    state: UnitState
    attributes: Mapping[str, str] = field(default_factory=dict)
    """The further columns of the file that it was imported from."""


class JobState(_OpenEnum):
    """The life of a job."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """The job has ended."""
        return self in {JobState.DONE, JobState.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStateJob:
    """A change of many units' states. `done` of `total` were looked at; `changed` had another state before."""

    id: str
    state: JobState
    unit_state: UnitState
    reason: UnitStateReason
    total: int
    done: int
    changed: int
    missing: tuple[str, ...]
    """Serials that no issued unit has, the first 100 of `missing_count`."""
    missing_count: int
    error: str
    created_at: datetime
    finished_at: datetime | None
    created_by: str
    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFault:
    """One fault of a file. `line` counts from 1, the header; `column` from 1, and is 0 when the whole row is meant."""

    line: int
    column: int
    column_name: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What was wrong with a refused file: the first 1,000 faults by line, of `total`."""

    id: str
    rows: int
    total: int
    faults: tuple[CsvFault, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key without its secret."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    allowed_sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """A new API key. `secret`, the whole `vkt_<key id>_<secret>`, is told this once."""

    api_key: ApiKey
    secret: str

    def __repr__(self) -> str:
        """Keep the secret out of logs."""
        return f"NewApiKey(api_key={self.api_key!r}, secret='...')"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskFactor:
    """One observation that raised the score."""

    factor: str
    weight: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedProduct:
    """What the maker registered about the product."""

    id: str
    name: str
    gtin: str
    category: str
    image_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedBatch:
    """What the maker registered about the batch."""

    id: str
    lot: str
    manufactured_at: date | None
    expires_at: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedUnit:
    """What the maker registered about the unit."""

    serial: str
    state: UnitState
    state_reason: UnitStateReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanHistory:
    """Scans of the unit, this one included."""

    total_scans: int
    recent_scans: int
    unique_countries: int
    unique_devices: int
    first_scan_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """The verdict on a code, why, and what is known about the item.

    `valid` says that the code is genuine and the unit in force; it says nothing about the item that carries the code.
    """

    verification_id: str
    valid: bool
    verdict: Verdict
    risk_score: int
    risk_factors: tuple[RiskFactor, ...]
    product: ScannedProduct
    batch: ScannedBatch
    unit: ScannedUnit
    history: ScanHistory
    message: str
    country: str
    scanned_at: datetime
    degraded: bool
    code_genuine: bool
    advice: str
    sandbox: bool
    signed_verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRecord:
    """A recorded scan. It has nothing that names a person or a device."""

    verification_id: str
    unit_id: int
    batch_id: str
    product_id: str
    scanned_at: datetime
    verdict: Verdict
    risk_score: int
    risk_factors: tuple[str, ...]
    country: str
    duplicate: bool
    degraded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanTrend:
    """Scans of one hour or day."""

    starts_at: datetime
    scans: int
    duplicates: int
    suspicious: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskyUnit:
    """A unit that stands out: how often its scans were a warning or high risk."""

    unit_id: int
    batch_id: str
    risk_score: int
    scans: int
    last_scan_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanSummary:
    """Scans counted several ways; `countries` is in the order of their numbers, the unknown country is ""."""

    scans: int
    duplicates: int
    verdicts: Mapping[Verdict, int]
    countries: Mapping[str, int]
    trend: tuple[ScanTrend, ...]
    top_units: tuple[RiskyUnit, ...]
    counted_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantSettings:
    """A version of the tenant's settings; Scan obeys a change within a second."""

    version: int
    verification_base_url: str
    warning_above: int
    high_risk_above: int
    disabled_factors: tuple[str, ...]
    languages: tuple[str, ...]
    sandbox: bool
    updated_at: datetime
    updated_by: str
    default_tag_type: TagType
    default_webhook_events: tuple[str, ...]


class WebhookDeliveryState(_OpenEnum):
    """Where a delivery stands."""

    UNKNOWN = "UNKNOWN"
    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """Where events are sent. No `events` means all. `disabled_reason` is `gone` when it answered 410."""

    id: str
    url: str
    events: tuple[str, ...]
    description: str
    disabled: bool
    disabled_reason: str
    created_at: datetime
    updated_at: datetime
    previous_secret_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhookEndpoint:
    """An endpoint with a new secret, `whsec_...`, which is told this once."""

    endpoint: WebhookEndpoint
    secret: str

    def __repr__(self) -> str:
        """Keep the secret out of logs."""
        return f"NewWebhookEndpoint(endpoint={self.endpoint!r}, secret='...')"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAttempt:
    """One try. `status` is 0 when there was no answer, and `error` says why."""

    attempted_at: datetime
    status: int
    latency_ms: int
    response_excerpt: str
    error: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """One event on its way to one endpoint. `log` and `payload` are empty in listings."""

    id: str
    endpoint_id: str
    event_id: str
    event: str
    state: WebhookDeliveryState
    attempts: int
    next_attempt_at: datetime | None
    log: tuple[WebhookAttempt, ...]
    payload: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Work that failed its last try. `resolution` is `replayed`, `discarded` or `recovered`, empty while it waits."""

    id: str
    kind: str
    subject: str
    cause: str
    payload: str
    created_at: datetime
    resolved_at: datetime | None
    resolution: str
    resolved_by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedDeadLetters:
    """How many dead letters were replayed, and how many of those that were meant still wait."""

    count: int
    remaining: int
