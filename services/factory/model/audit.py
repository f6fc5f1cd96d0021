"""What the audit holds: who did what to a tenant's things, when and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. It is never changed and never deleted."""

    audit_id: UUID
    tenant_id: UUID
    who: str
    """`key <id>`, `user <uuid>` or `operator` (`convert.fields.who`)."""
    action: str
    """What was done, `<thing>.<verb>`, such as `dead_letter.discard`."""
    subject: str
    """Id of what it was done to."""
    reason: str
    """Why, in the words of who did it; may be empty."""
    created_at: datetime
    details: Mapping[str, str | int] = field(default_factory=dict)
    """What else is worth knowing, such as counts and states before. Never secrets."""
