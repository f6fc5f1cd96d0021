"""SQL on API keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, Row, Text, bindparam, func, insert, select, text, tuple_, update

from services.common.database import Transaction
from services.factory.model.api_keys import ApiKey
from services.factory.tables import api_keys

_NOTE_USES = text(
    """
    WITH used AS (SELECT * FROM unnest(:key_ids, :used_at) AS used (key_id, used_at)),
         held AS (SELECT key_id FROM factory.api_keys JOIN used USING (key_id)
                  ORDER BY key_id FOR NO KEY UPDATE OF api_keys)
    UPDATE factory.api_keys AS key SET last_used_at = greatest(key.last_used_at, used.used_at)
    FROM held JOIN used USING (key_id) WHERE key.key_id = held.key_id
    """
).bindparams(bindparam("key_ids", type_=ARRAY(Text)), bindparam("used_at", type_=ARRAY(DateTime(timezone=True))))


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
            allowed_sources=[str(network) for network in key.allowed_sources],
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
    """Write when a key stops working, and which one takes its place: the tenant's own deed, of which it is not told."""
    await tx.connection.execute(
        update(api_keys)
        .where(api_keys.c.tenant_id == key.tenant_id, api_keys.c.key_id == key.key_id)
        .values(
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            successor_id=key.successor_id,
            expiry_noted_at=func.coalesce(api_keys.c.expiry_noted_at, func.now()),
        )
    )


async def note_uses(tx: Transaction, used: Mapping[str, datetime]) -> None:
    """Write when keys were last used, in one statement; an older time than the one that is there changes nothing.

    Processes note the same keys at the same time; rows are locked in the order of their ids, so that they wait for each
    other and never in a circle.
    """
    await tx.connection.execute(_NOTE_USES, {"key_ids": list(used), "used_at": list(used.values())})


async def take_expiring(tx: Transaction, *, now: datetime, within: timedelta, limit: int) -> Sequence[ApiKey]:
    """Return keys that end within a time and whose tenants have not been told, and note that they are."""
    soon = (
        select(api_keys.c.key_id)
        .where(
            api_keys.c.expiry_noted_at.is_(None),
            api_keys.c.revoked_at.is_(None),
            api_keys.c.expires_at > now,
            api_keys.c.expires_at <= now + within,
        )
        .order_by(api_keys.c.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    noted = (
        update(api_keys)
        .where(api_keys.c.key_id.in_(soon.scalar_subquery()))
        .values(expiry_noted_at=now)
        .returning(api_keys)
    )
    return [_api_key(row) for row in await tx.connection.execute(noted)]


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
        allowed_sources=tuple(map(ip_network, row.allowed_sources)),
        successor_id=row.successor_id,
    )
