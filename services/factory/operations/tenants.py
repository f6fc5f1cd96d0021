"""What is done with tenants."""

from uuid import UUID

from services.common.clock import Clock
from services.common.database import Database
from services.common.errors import InvalidArgument
from services.common.ids import uuid7
from services.factory.model.tenants import Tenant, normal_base_url
from services.factory.storage import tenants as storage


async def create_tenant(*, database: Database, clock: Clock, name: str, verification_base_url: str) -> Tenant:
    """Add a tenant; InvalidArgument for an empty name or a base URL that cannot be one."""
    if not name.strip():
        raise InvalidArgument.of("name", "a tenant has a name")
    tenant = Tenant(
        tenant_id=uuid7(),
        name=name.strip(),
        verification_base_url=normal_base_url(verification_base_url),
        created_at=clock.now(),
    )
    async with database.transaction() as tx:
        await storage.insert_tenant(tx, tenant)
    return tenant


async def get_tenant(*, database: Database, tenant_id: UUID) -> Tenant:
    """Return a tenant; InvalidArgument when there is none of that id."""
    async with database.reading() as tx:
        tenant = await storage.tenant_by_id(tx, tenant_id)
    if tenant is None:
        raise InvalidArgument.of("tenant", "no tenant has this id; make one with create-tenant")
    return tenant
