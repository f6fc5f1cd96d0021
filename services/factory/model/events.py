"""Events: what happened to a tenant's things, in the words that webhooks use."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

TOPICS = frozenset(
    {
        "batch.created",
        "batch.issued",
        "batch.completed",
        "batch.failed",
        "batch.retried",
        "batch.paused",
        "batch.resumed",
        "batch.cancelled",
        "unit.reported",
        "unit.high_risk",
        "key.expiring",
    }
)
"""Everything that happens, and that endpoints can ask for. docs/webhooks.md says what each tells."""
TEST_TOPIC = "webhook.test"
"""Only sent on request, to one endpoint."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `subject` is the id of what it happened to; `payload` is JSON."""

    event_id: UUID
    tenant_id: UUID
    topic: str
    subject: str
    payload: Mapping[str, str | int]


def check_topic(topic: str) -> str:
    """Return a topic of a new event; ValueError for one that no endpoint could ask for, which is a fault of ours.

    Only whoever makes an event checks: a worker that is older than the server must publish what it does not know.
    """
    if topic not in TOPICS:
        raise ValueError(f"{topic} is not one of TOPICS")
    return topic
