"""Webhooks: endpoints, deliveries, when a delivery is tried again, and what is sent."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from urllib.parse import urlsplit
from uuid import UUID

from services.common.errors import InvalidArgument, WebhookTargetRefused
from services.factory.model.events import TOPICS

MAX_ENDPOINTS = 20
"""Endpoints of one tenant: an event becomes as many deliveries."""
EXCERPT_CHARACTERS = 1000
GONE = "gone"
INTERRUPTED = "no outcome was recorded: the worker stopped in the middle"

_DELAYS = tuple(
    timedelta(seconds=seconds) for seconds in (10, 60, 10 * 60, 3600, 3 * 3600, 7 * 3600, 46_130)
)  # 24 hours together
MAX_TRIES = len(_DELAYS) + 1
_JITTER = 0.1


class DeliveryState(Enum):
    """Where a delivery stands; the values are those of `voketag.factory.v1.WebhookDeliveryState`."""

    PENDING = 1
    DELIVERED = 2
    FAILED = 3
    CANCELLED = 4


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a tenant wants events. `events` are topics; none means all."""

    endpoint_id: UUID
    tenant_id: UUID
    url: str
    events: tuple[str, ...]
    description: str
    disabled: bool
    disabled_reason: str
    created_at: datetime
    updated_at: datetime
    previous_secret_until: datetime | None

    def wants(self, topic: str) -> bool:
        """Say whether events of a topic are for this endpoint."""
        return not self.events or topic in self.events


@dataclass(frozen=True, slots=True)
class SealedSecrets:
    """An endpoint's secrets as they are stored: encrypted. `previous` signs, too, while it has time."""

    current: bytes
    previous: bytes | None
    previous_until: datetime | None

    def in_force(self, now: datetime) -> list[bytes]:
        """Return those that sign now, the newest first."""
        if self.previous is None or self.previous_until is None or self.previous_until <= now:
            return [self.current]
        return [self.current, self.previous]


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with the secret that is shown this once."""

    endpoint: Endpoint
    secret: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. `status` is 0 when there was no answer."""

    attempted_at: datetime
    url: str
    status: int
    latency_ms: int
    response_excerpt: str
    error: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint. `body` is what is sent, byte for byte the same at every try."""

    delivery_id: UUID
    endpoint_id: UUID
    tenant_id: UUID
    event_id: UUID
    topic: str
    body: str
    state: DeliveryState
    attempts: int
    due_at: datetime | None
    created_at: datetime
    log: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that a worker tries now: `delivery.attempts` counts this try, `tries` does so in this round."""

    delivery: Delivery
    tries: int
    url: str
    secrets: SealedSecrets


@dataclass(frozen=True, slots=True)
class Answer:
    """How a try went. `status` is 0 when there was no answer, and `error` says why."""

    status: int
    latency_ms: int
    excerpt: str
    error: str

    @property
    def delivered(self) -> bool:
        """Any 2xx, and nothing else: a redirect may lead anywhere, so it is a failure."""
        return 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver wants nothing any more."""
        return self.status == 410

    @property
    def cause(self) -> str:
        """Why it is no success, in a few words."""
        return self.error or f"answered {self.status}"


def delay_after(tries: int, chance: float) -> timedelta | None:
    """Return how long to wait after the try number `tries` of a round failed; None after the last.

    `chance` is in 0..1 and takes up to a tenth off, so that what failed together does not come back together.
    """
    if tries > len(_DELAYS):
        return None
    return _DELAYS[tries - 1] * (1 - _JITTER * chance)


def body_of(topic: str, happened_at: datetime, payload: Mapping[str, str | int]) -> str:
    """Return the JSON that is sent: `type`, `timestamp` and `data`, as Standard Webhooks recommends."""
    stamp = happened_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return json.dumps(
        {"type": topic, "timestamp": stamp, "data": dict(payload)}, ensure_ascii=False, separators=(",", ":")
    )


def check_events(events: Iterable[str]) -> tuple[str, ...]:
    """Return a filter in order; InvalidArgument for a topic that there is not."""
    asked = sorted(set(events))
    if unknown := [topic for topic in asked if topic not in TOPICS]:
        raise InvalidArgument.of("events", f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(TOPICS))}")
    return tuple(asked)


def host_of(url: str, *, plain_http: bool) -> tuple[str, int]:
    """Return host and port of a target; WebhookTargetRefused for what is no URL of ours.

    What the URL leads to is checked by address when the name is resolved and when a connection is made; whatever two
    parsers may read differently in it changes nothing.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        raise WebhookTargetRefused("use plain ASCII; write other characters percent-encoded, and names in punycode")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WebhookTargetRefused("this is no URL") from error
    if parts.scheme != "https" and not (plain_http and parts.scheme == "http"):
        raise WebhookTargetRefused("use https")
    if not parts.hostname or port == 0:
        raise WebhookTargetRefused("name a host")
    if parts.username is not None or parts.password is not None:
        raise WebhookTargetRefused("leave out user and password; deliveries are signed")
    if parts.fragment:
        raise WebhookTargetRefused("leave out the fragment")
    return parts.hostname, port or (443 if parts.scheme == "https" else 80)
