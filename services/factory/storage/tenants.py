"""SQL on tenants."""

from uuid import UUID

from sqlalchemy import insert, select

from services.common.database import Transaction
from services.factory.model.tenants import Tenant
from services.factory.tables import tenant_settings, tenants


async def insert_tenant(tx: Transaction, tenant: Tenant) -> None:
    """Add a tenant with its settings."""
    await tx.connection.execute(
        insert(tenants).values(
            tenant_id=tenant.tenant_id,
            name=tenant.name,
            created_at=tenant.created_at,
        )
    )
    await tx.connection.execute(
        insert(tenant_settings).values(
            tenant_id=tenant.tenant_id,
            version=1,
            verification_base_url=tenant.verification_base_url,
            updated_at=tenant.created_at,
            updated_by="operator",
        )
    )


async def tenant_by_id(tx: Transaction, tenant_id: UUID) -> Tenant | None:
    """Return a tenant."""
    wanted = (
        select(tenants, tenant_settings.c.verification_base_url)
        .join(tenant_settings, tenant_settings.c.tenant_id == tenants.c.tenant_id)
        .where(tenants.c.tenant_id == tenant_id)
    )
    row = (await tx.connection.execute(wanted)).one_or_none()
    if row is None:
        return None
    return Tenant(
        tenant_id=row.tenant_id,
        name=row.name,
        verification_base_url=row.verification_base_url,
        created_at=row.created_at,
    )
