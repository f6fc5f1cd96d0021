"""SQL on API keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, tuple_, update

from services.common.database import Transaction
from services.factory.model.api_keys import ApiKey
from services.factory.tables import api_keys


async def insert_api_key(tx: Transaction, key: ApiKey) -> None:
    """Add a key."""
    await tx.connection.execute(
        insert(api_keys).values(
            key_id=key.key_id,
            tenant_id=key.tenant_id,
            name=key.name,
            secret_hash=key.secret_hash,
            scopes=sorted(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
        )
    )


async def api_key_by_id(tx: Transaction, key_id: str) -> ApiKey | None:
    """Return a key of whatever tenant: this is how a caller's tenant is found."""
    row = (await tx.connection.execute(select(api_keys).where(api_keys.c.key_id == key_id))).one_or_none()
    return None if row is None else _api_key(row)


async def lock_api_key(tx: Transaction, tenant_id: UUID, key_id: str) -> ApiKey | None:
    """Return a key of the tenant and keep other writers out until the transaction ends."""
    query = select(api_keys).where(api_keys.c.tenant_id == tenant_id, api_keys.c.key_id == key_id).with_for_update()
    row = (await tx.connection.execute(query)).one_or_none()
    return None if row is None else _api_key(row)


async def list_api_keys(
    tx: Transaction, tenant_id: UUID, *, before: tuple[datetime, str] | None, limit: int
) -> Sequence[ApiKey]:
    """Return keys, newest first, from the one after (created_at, key_id) on."""
    order = tuple_(api_keys.c.created_at, api_keys.c.key_id)
    query = select(api_keys).where(api_keys.c.tenant_id == tenant_id)
    if before is not None:
        query = query.where(order < tuple_(*before))
    query = query.order_by(api_keys.c.created_at.desc(), api_keys.c.key_id.desc()).limit(limit)
    return [_api_key(row) for row in await tx.connection.execute(query)]


async def end_api_key(tx: Transaction, key: ApiKey) -> None:
    """Write when a key stops working."""
    await tx.connection.execute(
        update(api_keys)
        .where(api_keys.c.tenant_id == key.tenant_id, api_keys.c.key_id == key.key_id)
        .values(expires_at=key.expires_at, revoked_at=key.revoked_at)
    )


async def note_use(tx: Transaction, key_id: str, used_at: datetime) -> None:
    """Write when a key was last used; an older time than the one that is there changes nothing."""
    await tx.connection.execute(
        update(api_keys)
        .where(api_keys.c.key_id == key_id)
        .values(last_used_at=func.greatest(api_keys.c.last_used_at, used_at))
    )


def _api_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        tenant_id=row.tenant_id,
        name=row.name,
        secret_hash=row.secret_hash,
        scopes=frozenset(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
