"""Settings that every process has. Each room adds its own in `settings.py`.

Read once at start from environment variables with the prefix `VOKETAG_`; each process has an environment of its
own. Secrets are paths of files, never values.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProcessSettings(BaseSettings):
    """What every process needs."""

    model_config = SettingsConfigDict(env_prefix="VOKETAG_", frozen=True, extra="ignore")

    environment: Literal["production", "local"] = "production"
    """`local` allows what no production may have, such as a chain's published development key."""
    database_url: str
    """PostgreSQL, `postgresql://role[:password]@host:port/database`."""
    database_pool_size: int = Field(default=10, ge=1)
    """Connections that one process may hold."""
    queue_url: str = "redis://127.0.0.1:63790/0"
    """Redis or Valkey for job queues; holds only nudges, the work itself stands in PostgreSQL."""
    metrics_port: int = 0
    """Loopback port for Prometheus text; 0 turns it off."""
    otlp_endpoint: str = ""
    """OTLP/HTTP traces endpoint, such as `http://collector:4318/v1/traces`; empty turns tracing off."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe log line that is written."""


class ServerSettings(ProcessSettings):
    """What every gRPC server needs on top."""

    listen: str
    """`host:port` or `unix:/path`."""
    http_listen: str = ""
    """Second address, in the same form, for calls that the edge has made of REST: gRPC's messages over HTTP/1.1, which
    costs less CPU. Only Envoy may reach it. Empty turns it off; the edge uses `listen` for everything then."""
    token_public_keys: Path
    """Folder of `<kid>.pem` Ed25519 public keys whose access and service tokens are believed."""
    reflection: bool = True
    """Answer gRPC reflection."""
    default_timeout_seconds: float = Field(default=30, gt=0)
    """Time of a call that brings no deadline of its own. Streams have none."""
    log_calls: bool = True
    """Write a log line per call. Envoy's access log has them all; the public hot path turns this off."""
    drain_seconds: float = Field(default=0, ge=0)
    """How long to go on serving after SIGTERM while health checks already say NOT_SERVING: longer than a balancer's
    interval, so that no call arrives at a closed door. Kubernetes and rolling restarts want 2 to 5."""
    stop_grace_seconds: float = Field(default=10, ge=0)
    """How long running calls may go on after SIGTERM."""


class ServiceIdentity(BaseSettings):
    """A process that calls other services signs its calls with a key of its own."""

    model_config = SettingsConfigDict(env_prefix="VOKETAG_", frozen=True, extra="ignore")

    service_key: FilePath
    """Ed25519 private key, PKCS#8 PEM, named `service-<name>-<n>.pem`; the stem is its `kid`."""
