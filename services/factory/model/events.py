"""Events: what happened to a tenant's things, in the words that webhooks will use."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `subject` is the id of what it happened to; `payload` is JSON."""

    event_id: UUID
    tenant_id: UUID
    topic: str
    subject: UUID
    payload: Mapping[str, str | int]
