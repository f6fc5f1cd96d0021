"""Scan's settings, on top of every server's."""

from pydantic import DirectoryPath, Field, FilePath

from services.common.settings import ProcessSettings, ServerSettings, ServiceIdentity


class Settings(ServerSettings, ServiceIdentity):
    """What the server needs."""

    log_calls: bool = False
    """A line per scan would cost more than the scan's risk score; Envoy's access log has them all."""
    unit_keys: DirectoryPath
    """Folder of `<key id>.key` files, 64 hex digits each: the secrets that unit codes are derived from."""
    fingerprint_key: FilePath
    """File of 64 hex digits: the secret behind the hashes of devices and addresses."""
    hot_state_url: str = "redis://127.0.0.1:63790/1"
    """Redis or Valkey for recent history and the news of changed units; all of it may be lost at any time."""
    hot_state_timeout_seconds: float = Field(default=0.1, gt=0)
    """How long a scan waits for the hot state before it goes on without."""
    factory_address: str
    """Factory's gRPC address, `host:port`; only receipts need it."""
    anchor_address: str
    """Anchor's gRPC address, `host:port`; only receipts need it."""
    facts_seconds: float = Field(default=0.9, gt=0, lt=1)
    """How long facts about a unit are believed. Below one second, so that a recall is obeyed within one."""
    facts_entries: int = Field(default=50_000, ge=1)
    """Units whose facts are kept; about 1 kB each."""
    scan_timeout_seconds: float = Field(default=2, gt=0)
    """How long a scan may take, and a statement of the database, before the answer is UNAVAILABLE."""
    linger_seconds: float = Field(default=0.003, ge=0)
    """How long a small group of scans waits for company while others come in; an idle process never waits."""
    max_waiting: int = Field(default=5_000, ge=1)
    """Scans that may wait at once; further ones are UNAVAILABLE at once."""
    reports_per_address: int = Field(default=20, ge=1)
    """Reports that one address may send within a day."""


class WorkerSettings(ProcessSettings, ServiceIdentity):
    """What the worker needs."""

    factory_address: str
    """Factory's gRPC address, `host:port`, for notices of reports and of scans of high risk."""
    ledger_key: FilePath
    """Ed25519 private key, PKCS#8 PEM, that signs the ledger's checkpoints. Checkers trust its public half."""
    ledger_origin: str = Field(pattern=r"^[^\s+]+$")
    """Name of the ledger for ever, such as `verify.example.com/ledger`; part of every checkpoint."""
    checkpoint_retention_hours: int = Field(default=48, ge=1)
    """How long checkpoints are kept that are neither the newest nor anchored."""
    report_retention_days: int = Field(default=730, ge=1)
    """How long consumers' reports are kept."""
