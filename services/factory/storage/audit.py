"""SQL on the audit: rows are added and read, the service's grants allow nothing else."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select

from services.common.database import Transaction
from services.factory.model.audit import AuditEntry
from services.factory.tables import audit


async def add(tx: Transaction, entry: AuditEntry) -> None:
    """Add an entry; it exists exactly when the transaction does."""
    await tx.connection.execute(
        insert(audit).values(
            audit_id=entry.audit_id,
            tenant_id=entry.tenant_id,
            who=entry.who,
            action=entry.action,
            subject=entry.subject,
            reason=entry.reason,
            details=dict(entry.details),
            created_at=entry.created_at,
        )
    )


async def page(tx: Transaction, tenant_id: UUID, *, below: UUID | None, limit: int) -> list[AuditEntry]:
    """Return up to `limit` of a tenant's entries whose id is below `below`, newest first."""
    query = select(audit).where(audit.c.tenant_id == tenant_id)
    if below is not None:
        query = query.where(audit.c.audit_id < below)
    return [_entry(row) for row in await tx.connection.execute(query.order_by(audit.c.audit_id.desc()).limit(limit))]


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        audit_id=row.audit_id,
        tenant_id=row.tenant_id,
        who=row.who,
        action=row.action,
        subject=row.subject,
        reason=row.reason,
        created_at=row.created_at,
        details=row.details,
    )
