"""The audit: who did what, when and why, written in the transaction that does it.

An act and its entry are one transaction, so that neither is there without the other. Alternative considered: an audit
written from the log. A log line may be lost, and says nothing about whether the transaction was committed.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.common.database import Transaction
from services.common.ids import uuid7
from services.factory.model.audit import AuditEntry
from services.factory.storage import audit as storage


async def note(
    tx: Transaction,
    tenant_id: UUID,
    *,
    who: str,
    action: str,
    subject: UUID | str,
    now: datetime,
    reason: str = "",
    details: Mapping[str, str | int] | None = None,
) -> None:
    """Keep that `who` did `action` to `subject`. `who` comes from `convert.fields.who`, or is `operator`.

    `action` is `<thing>.<verb>`; `reason` is what the caller gave for it. No secrets in `details`.
    """
    await storage.add(
        tx,
        AuditEntry(
            audit_id=uuid7(),
            tenant_id=tenant_id,
            who=who,
            action=action,
            subject=str(subject),
            reason=reason,
            created_at=now,
            details=details or {},
        ),
    )
