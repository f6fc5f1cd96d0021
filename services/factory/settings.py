"""Factory's settings: the server's, the worker's and the command line's."""

from typing import Self

from pydantic import DirectoryPath, Field, FilePath, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import ProcessSettings, ServerSettings, ServiceIdentity


class UnitKeySettings(BaseSettings):
    """A process that makes unit codes holds the secrets of the signing keys."""

    model_config = SettingsConfigDict(env_prefix="VOKETAG_", frozen=True, extra="ignore")

    unit_keys: DirectoryPath
    """Folder of `<key id>.key` files, 64 hex digits each: the secrets that unit codes are derived from."""
    signing_key_id: int = Field(ge=1, le=65535)
    """The key of new batches; its file is in `unit_keys`. Older keys stay there as long as their codes are read."""


class WebhookSettings(ProcessSettings):
    """A process that makes or uses webhook secrets."""

    webhook_keys: DirectoryPath
    """Folder of `<key id>.key` files (1..255), 64 hex digits each, that webhook secrets are encrypted with; the newest
    encrypts, all decrypt."""
    webhook_private_targets: bool = False
    """Webhooks may go to private and loopback addresses, and over plain http. Only where the environment is `local`."""

    @model_validator(mode="after")
    def _private_targets_are_local(self) -> Self:
        if self.webhook_private_targets and self.environment != "local":
            raise ValueError("webhook_private_targets opens our network to every tenant; only `local` may have it")
        return self


class Settings(ServerSettings, UnitKeySettings, WebhookSettings, ServiceIdentity):
    """What the server needs."""

    hot_state_url: str = "redis://127.0.0.1:63790/1"
    """Redis or Valkey that Scan listens to for changes of units. Losing it costs Scan at most a second."""
    write_wait_seconds: float = Field(default=5, gt=0)
    """How long a write waits for others that hold what it needs, equal requests included, before it is ABORTED."""
    scan_address: str
    """Scan's gRPC address, `host:port`, for lists and summaries of scans."""
    statement_keys: DirectoryPath
    """Folder of `<kid>.pem` Ed25519 keys: the private one that sorts last signs statements, all are published."""
    anchor_chains: str = Field(default="main", pattern="^[a-z][a-z0-9-]{0,31}(,[a-z][a-z0-9-]{0,31})*$")
    """Names of the chains that a batch may ask for, separated by commas: those that Anchor knows. A batch that asks for
    another is refused when it is ordered."""
    api_key_use_seconds: float = Field(default=60, gt=0)
    """How often the last use of API keys is written."""


class WorkerSettings(UnitKeySettings, ServiceIdentity, WebhookSettings):
    """What the worker needs."""

    hot_state_url: str = "redis://127.0.0.1:63790/1"
    """Redis or Valkey that Scan listens to for changes of units. Losing it costs Scan at most a second."""
    anchor_address: str
    """Anchor's gRPC address, `host:port`."""
    issue_processes: int = Field(default=1, ge=1)
    """Processes that make units, of about 150 MiB each. One makes more than PostgreSQL takes; where
    `voketag_factory_units_made` says `reference`, give it the cores that there are."""
    batches_at_once: int = Field(default=2, ge=1)
    """Batches that this worker issues at a time; each holds a database connection while it writes."""
    lease_seconds: float = Field(default=15, ge=1)
    """How long a batch stays with a worker that gives no sign. Longer than any one chunk takes to write."""
    sweep_seconds: float = Field(default=2, gt=0)
    """How often due batches and webhooks are looked for when no nudge comes."""
    webhooks_at_once: int = Field(default=128, ge=1)
    """Webhook requests that this worker makes at a time."""
    webhooks_per_endpoint: int = Field(default=4, ge=1)
    """Webhook requests that this worker makes to one endpoint at a time; one alone while it fails."""
    webhook_timeout_seconds: float = Field(default=10, gt=0)
    """How long a webhook's request may take, from its name's resolution to the last byte."""
    webhook_ca_file: FilePath | None = None
    """PEM file of authorities to trust for webhooks beside the usual ones."""
    key_notice_days: int = Field(default=14, ge=1)
    """How long before an API key ends its tenant is told (`key.expiring`)."""
    event_retention_days: int = Field(default=30, ge=1)
    """How long published events, ended deliveries with their log, and decided dead letters are kept."""


class CliSettings(ProcessSettings):
    """What the command line needs: the database alone."""
