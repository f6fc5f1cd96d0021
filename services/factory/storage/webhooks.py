"""SQL on webhook endpoints. A deleted endpoint's row stays for its log, without its secrets."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, insert, null, select, update

from services.common.database import Transaction
from services.common.errors import WebhookNotFound
from services.factory.model.webhooks import Endpoint, SealedSecrets
from services.factory.tables import tenants
from services.factory.tables import webhook_endpoints as table

_DELETED = b""


async def count_locked(tx: Transaction, tenant_id: UUID) -> int:
    """Return how many endpoints a tenant has, and keep others from adding one until the transaction ends."""
    await tx.connection.execute(
        select(tenants.c.tenant_id).where(tenants.c.tenant_id == tenant_id).with_for_update(key_share=True)
    )
    living = select(func.count()).select_from(table).where(table.c.tenant_id == tenant_id, table.c.deleted_at.is_(None))
    return (await tx.connection.execute(living)).scalar_one()


async def add(tx: Transaction, endpoint: Endpoint, secret: bytes) -> None:
    """Add an endpoint with its encrypted secret."""
    await tx.connection.execute(
        insert(table).values(
            endpoint_id=endpoint.endpoint_id,
            tenant_id=endpoint.tenant_id,
            secret=secret,
            created_at=endpoint.created_at,
            **_changeable(endpoint),
        )
    )


async def get(
    tx: Transaction, tenant_id: UUID, endpoint_id: UUID, *, lock: bool = False, deleted: bool = False
) -> Endpoint:
    """Return a tenant's endpoint, a deleted one only if asked; WebhookNotFound. `lock` keeps other writers out."""
    query = select(table).where(*_is(tenant_id, endpoint_id))
    if not deleted:
        query = query.where(table.c.deleted_at.is_(None))
    row = (await tx.connection.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise WebhookNotFound
    return _endpoint(row)


async def page(tx: Transaction, tenant_id: UUID, *, below: UUID | None, limit: int) -> list[Endpoint]:
    """Return up to `limit` of a tenant's endpoints whose id is below `below`, newest first."""
    query = select(table).where(table.c.tenant_id == tenant_id, table.c.deleted_at.is_(None))
    if below is not None:
        query = query.where(table.c.endpoint_id < below)
    found = await tx.connection.execute(query.order_by(table.c.endpoint_id.desc()).limit(limit))
    return [_endpoint(row) for row in found]


async def of_tenants(tx: Transaction, tenant_ids: Collection[UUID]) -> list[Endpoint]:
    """Return all endpoints of some tenants, disabled ones, too. They are not deleted before the transaction ends."""
    query = select(table).where(table.c.tenant_id.in_(tenant_ids), table.c.deleted_at.is_(None))
    # Held in one order, as everybody must who holds several.
    return [
        _endpoint(row)
        for row in await tx.connection.execute(query.order_by(table.c.endpoint_id).with_for_update(read=True))
    ]


async def change(tx: Transaction, endpoint: Endpoint) -> None:
    """Write what can change of an endpoint."""
    await tx.connection.execute(
        update(table).where(*_is(endpoint.tenant_id, endpoint.endpoint_id)).values(_changeable(endpoint))
    )


async def delete(tx: Transaction, endpoint: Endpoint, now: datetime) -> None:
    """Delete an endpoint and its secrets; its row stays for the log."""
    await tx.connection.execute(
        update(table)
        .where(*_is(endpoint.tenant_id, endpoint.endpoint_id), table.c.deleted_at.is_(None))
        .values(deleted_at=now, secret=_DELETED, previous_secret=null(), previous_secret_until=null())
    )


async def replace_secret(
    tx: Transaction, endpoint: Endpoint, secret: bytes, *, previous_until: datetime | None, now: datetime
) -> None:
    """Give an endpoint a new secret; the present one stays until `previous_until`, or goes at once."""
    await tx.connection.execute(
        update(table)
        .where(*_is(endpoint.tenant_id, endpoint.endpoint_id))
        .values(
            secret=secret,
            previous_secret=null() if previous_until is None else table.c.secret,
            previous_secret_until=previous_until,
            updated_at=now,
        )
    )


async def disable(tx: Transaction, endpoint_id: UUID, *, reason: str, now: datetime) -> None:
    """Disable an endpoint of any tenant, unless it is already."""
    await tx.connection.execute(
        update(table)
        .where(table.c.endpoint_id == endpoint_id, ~table.c.disabled)
        .values(disabled=True, disabled_reason=reason, updated_at=now)
    )


def secrets_of(row: Row[Any]) -> SealedSecrets:
    """Return the secrets in a row that has them."""
    return SealedSecrets(current=row.secret, previous=row.previous_secret, previous_until=row.previous_secret_until)


def _changeable(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "url": endpoint.url,
        "events": list(endpoint.events),
        "description": endpoint.description,
        "disabled": endpoint.disabled,
        "disabled_reason": endpoint.disabled_reason,
        "updated_at": endpoint.updated_at,
    }


def _is(tenant_id: UUID, endpoint_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return table.c.tenant_id == tenant_id, table.c.endpoint_id == endpoint_id


def _endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        endpoint_id=row.endpoint_id,
        tenant_id=row.tenant_id,
        url=row.url,
        events=tuple(row.events),
        description=row.description,
        disabled=row.disabled,
        disabled_reason=row.disabled_reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
        previous_secret_until=row.previous_secret_until,
    )
