"""SQL on tenants."""

from uuid import UUID

from sqlalchemy import insert, select

from services.common.database import Transaction
from services.factory.model.tenants import Tenant
from services.factory.tables import tenants


async def insert_tenant(tx: Transaction, tenant: Tenant) -> None:
    """Add a tenant."""
    await tx.connection.execute(
        insert(tenants).values(
            tenant_id=tenant.tenant_id,
            name=tenant.name,
            verification_base_url=tenant.verification_base_url,
            created_at=tenant.created_at,
        )
    )


async def tenant_by_id(tx: Transaction, tenant_id: UUID) -> Tenant | None:
    """Return a tenant."""
    row = (await tx.connection.execute(select(tenants).where(tenants.c.tenant_id == tenant_id))).one_or_none()
    if row is None:
        return None
    return Tenant(
        tenant_id=row.tenant_id,
        name=row.name,
        verification_base_url=row.verification_base_url,
        created_at=row.created_at,
    )
