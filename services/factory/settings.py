"""Factory's settings: the server's, the worker's and the command line's."""

from pydantic import DirectoryPath, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import ProcessSettings, ServerSettings, ServiceIdentity


class UnitKeySettings(BaseSettings):
    """A process that makes unit codes holds the secrets of the signing keys."""

    model_config = SettingsConfigDict(env_prefix="VOKETAG_", frozen=True, extra="ignore")

    unit_keys: DirectoryPath
    """Folder of `<key id>.key` files, 64 hex digits each: the secrets that unit codes are derived from."""
    signing_key_id: int = Field(ge=1, le=65535)
    """The key of new batches; its file is in `unit_keys`. Older keys stay there as long as their codes are read."""


class Settings(ServerSettings, UnitKeySettings):
    """What the server needs."""

    hot_state_url: str = "redis://127.0.0.1:63790/1"
    """Redis or Valkey that Scan listens to for changes of units. Losing it costs Scan at most a second."""
    api_key_use_seconds: float = Field(default=60, gt=0)
    """How often the last use of API keys is written."""


class WorkerSettings(ProcessSettings, UnitKeySettings, ServiceIdentity):
    """What the worker needs."""

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
    """How often due batches are looked for when no nudge comes."""


class CliSettings(ProcessSettings):
    """What the command line needs: the database alone."""
