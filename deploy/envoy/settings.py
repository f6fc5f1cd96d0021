"""What differs between one Envoy and another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CONTRACTS = Path(__file__).parents[2] / "gen" / "voketag.binpb"
ROOMS = ("scan", "factory", "admin", "anchor")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoySettings:
    """The values that the template takes."""

    endpoints: Mapping[str, Sequence[str]]
    """`host:port` of every process of each room: scan, factory, admin, anchor."""
    http_endpoints: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """`host:port` of the second door (`VOKETAG_HTTP_LISTEN`) of every process of a room: what comes as REST goes there.
    A room that is not named, or has none, gets everything over gRPC."""
    access_log: Path
    """File of the access log, one JSON object a line; `/dev/stdout` in a container."""
    contracts: Path = CONTRACTS
    """File descriptor set of the contracts, written by `make gen`."""
    listen_host: str = "127.0.0.1"
    """Address of the public listener; `0.0.0.0` where the world may come in."""
    listen_port: int = 8080
    """Port of the public listener: REST, gRPC and gRPC-Web."""
    admin_port: int = 9901
    """Loopback port of Envoy's own administration page."""
    trusted_hops: int = 1
    """Proxies in front whose `X-Forwarded-For` is believed: 1 behind one load balancer, 0 when clients come directly.

    A wrong value lets clients choose their own address.
    """
    allowed_origins: Sequence[str] = ()
    """Origins (`https://shop.example`) whose pages may read answers in people's browsers; nobody else's may."""
    reflection: bool = True
    """Let gRPC reflection through, answered by Admin for all four services."""
    requests_per_second: int = 20_000
    """The whole edge's ceiling."""
    max_request_bytes: int = 1024 * 1024
    """Largest request of a unary call, which is held in memory until it is whole. Scans have less, imports more."""
    max_message_bytes: int = 11 * 1024 * 1024
    """Largest file over gRPC, and largest answer over REST: a CSV of 10 MiB and room for its envelope."""
    max_heap_bytes: int = 1024 * 1024 * 1024
    """Memory that the edge may take: near it it refuses requests (503) rather than be ended by the system."""
    tls_certificate: Path | None = None
    """PEM chain of the public listener; None listens in plain text, for a load balancer that ends TLS."""
    tls_key: Path | None = None
    """PEM key of `tls_certificate`."""
    headers_seconds: float = 10
    """How long a client may take to send a request's headers."""
    request_seconds: float = 30
    """How long a client may take to send a whole request."""
    timeouts_seconds: Mapping[str, float] = field(
        default_factory=lambda: {"scan": 5, "factory": 30, "admin": 15, "anchor": 30}
    )
    """Longest time of a unary call, by room. Streams have none, and end when nothing moves for ten minutes."""
