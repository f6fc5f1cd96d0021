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

    def __post_init__(self) -> None:
        """Refuse a topic that no endpoint could ask for: forgetting it in TOPICS is a fault of ours."""
        if self.topic not in TOPICS:
            raise ValueError(f"{self.topic} is not one of TOPICS")
