"""Dead letters: work that failed its last try, kept until somebody decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

WEBHOOK_DELIVERY = "webhook.delivery"
BATCH_ISSUING = "batch.issuing"
BATCH_ANCHORING = "batch.anchoring"

PLATFORM = "platform"
"""Who resolves what went well after all."""


class Resolution(StrEnum):
    """How a dead letter ended."""

    REPLAYED = "replayed"
    DISCARDED = "discarded"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One piece of work that was given up. `subject` is the id of what it was about; `payload` is JSON, no secrets."""

    dead_letter_id: UUID
    tenant_id: UUID
    kind: str
    subject: str
    cause: str
    payload: Mapping[str, object]
    created_at: datetime
    resolved_at: datetime | None = None
    resolution: str = ""
    resolved_by: str = ""
    reason: str = ""
