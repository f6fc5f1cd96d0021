"""Scan's settings, on top of every server's."""

from pathlib import Path

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
    verdict_keys: DirectoryPath
    """Folder of `<kid>.pem` Ed25519 keys: the private one that sorts last signs verdicts, all are published as JWKs."""
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
    countries_file: Path | None = None
    """MMDB file with countries, and coordinates if it has them (GeoIP2 or GeoLite2 City or Country, and others)."""
    anonymous_file: Path | None = None
    """MMDB file of anonymous networks (GeoIP2 Anonymous IP)."""
    tor_list: Path | None = None
    """Plain list of Tor's exits: addresses and CIDR blocks, one a line, `#` begins a comment."""
    vpn_list: Path | None = None
    """Plain list of VPNs and proxies."""
    hosting_list: Path | None = None
    """Plain list of hosting centres."""
    region: str = Field(default="", pattern=r"^[a-z0-9-]*$")
    """Name of the region that this process is in. Processes of one region count together; empty: there is but one."""
    scans_per_minute: int = Field(default=100, ge=0)
    """Scans that one address (IPv4, or the /64 of an IPv6 one) may make in a minute, in each region; 0 is no limit."""
    key_scans_per_minute: int = Field(default=1000, ge=0)
    """Scans that the holder of an API key may make in a minute, from wherever, in each region; 0 is no limit."""
    global_scans_per_minute: int = Field(default=0, ge=0)
    """Scans that one address may make in a minute in all regions of the same hot state together; 0 is no limit."""
    global_key_scans_per_minute: int = Field(default=0, ge=0)
    """Scans that the holder of an API key may make in a minute in all regions together; 0 is no limit."""
    failures_per_minute: int = Field(default=20, ge=0)
    """Codes that are not ours which one caller may try in a minute, in all regions together, before nothing is answered
    it; 0 is no limit."""
    newcomer_seconds: int = Field(default=0, ge=0, le=86_400)
    """How long an address that was not seen for a day has half the limit; 300 is usual, 0 turns that off."""
    scans_per_second: int = Field(default=0, ge=0)
    """Scans that the whole platform takes in a second; 0 is no ceiling."""
    region_scans_per_second: int = Field(default=0, ge=0)
    """Scans that all processes of one region take in a second; 0 is no ceiling."""
    hint_retention_hours: int = Field(default=0, ge=0)
    """How long addresses, user agents and the like are kept in the clear, for the hours after an attack. 0 keeps none:
    the worker, which deletes them, must know the same number."""
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
    anchor_address: str
    """Anchor's gRPC address, `host:port`, for the ledger's checkpoints."""
    ledger_anchor_seconds: int = Field(default=600, ge=10)
    """How often the newest checkpoint is anchored on the chain."""
    checkpoint_retention_hours: int = Field(default=48, ge=1)
    """How long checkpoints are kept that are neither the newest nor anchored."""
    scan_retention_months: int = Field(default=0, ge=0)
    """Whole months of scan events that are kept beside the present one; 0 keeps them for good."""
    hint_retention_hours: int = Field(default=0, ge=0)
    """How long what Scan keeps of devices in the clear stays; 0 deletes all of it."""
    report_retention_days: int = Field(default=730, ge=1)
    """How long consumers' reports are kept."""
