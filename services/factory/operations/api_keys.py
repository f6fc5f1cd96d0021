"""What is done with API keys."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from services.common.clock import Clock
from services.common.credentials import hash_secret
from services.common.database import Database, Transaction
from services.common.errors import ApiKeyNotFound, InvalidArgument
from services.factory.model.api_keys import (
    ApiKey,
    Network,
    NewApiKey,
    check_scopes,
    make_credential,
    parse_sources,
)
from services.factory.model.page import Page
from services.factory.storage import api_keys as storage


class ApiKeys:
    """API keys of one tenant at a time."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self,
        tx: Transaction,
        tenant_id: UUID,
        *,
        name: str,
        scopes: Iterable[str],
        expires_at: datetime | None,
        granted_by: frozenset[str],
        allowed_sources: Iterable[str] = (),
    ) -> NewApiKey:
        """Make a key. `granted_by` are the maker's scopes: a key never has more.

        Raises InvalidArgument for an unknown scope, a source that is no network or a past expiry, PermissionDenied for
        a scope the maker lacks.
        """
        if expires_at is not None and expires_at <= self._clock.now():
            raise InvalidArgument.of("expires_at", "give a time in the future, or none")
        return await self._make(
            tx,
            tenant_id,
            name=name,
            scopes=check_scopes(scopes, granted_by),
            expires_at=expires_at,
            allowed_sources=parse_sources(allowed_sources),
        )

    async def list(self, tenant_id: UUID, *, before: tuple[datetime, str] | None, limit: int) -> Page[ApiKey]:
        """Return keys, newest first, from the one after (created_at, key_id) on."""
        async with self._database.reading() as tx:
            return Page.cut(await storage.list_api_keys(tx, tenant_id, before=before, limit=limit + 1), limit)

    async def rotate(
        self, tx: Transaction, tenant_id: UUID, key_id: str, *, overlap: timedelta, granted_by: frozenset[str]
    ) -> NewApiKey:
        """Make a key's successor, alike in all but its secret; the key itself stops working after `overlap`.

        The successor's credential goes to whoever rotates, so that they need every scope of the key (PermissionDenied).
        Raises ApiKeyNotFound, and InvalidArgument for a key that no longer holds, or that has a successor: another one
        would end with it, and whoever lost the answer of a rotation would not notice before.
        """
        old = await self._lock(tx, tenant_id, key_id)
        now = self._clock.now()
        if not old.holds(now):
            raise InvalidArgument.of("key_id", "this key is revoked or has expired; make a new one")
        if old.successor_id is not None:
            raise InvalidArgument.of("key_id", f"this key has a successor, {old.successor_id}; rotate that one")
        scopes = check_scopes(old.scopes, granted_by)
        new = await self._make(
            tx,
            tenant_id,
            name=old.name,
            scopes=scopes,
            expires_at=old.expires_at,
            allowed_sources=old.allowed_sources,
        )
        replaced = replace(old, successor_id=new.api_key.key_id)
        if overlap:
            ends = now + overlap
            await storage.end_api_key(tx, replace(replaced, expires_at=min(ends, old.expires_at or ends)))
        else:
            await storage.end_api_key(tx, replace(replaced, revoked_at=now))
        return new

    async def revoke(self, tx: Transaction, tenant_id: UUID, key_id: str) -> ApiKey:
        """Revoke a key, or leave it revoked; ApiKeyNotFound."""
        key = await self._lock(tx, tenant_id, key_id)
        if key.revoked_at is not None:
            return key
        revoked = replace(key, revoked_at=self._clock.now())
        await storage.end_api_key(tx, revoked)
        return revoked

    async def _make(
        self,
        tx: Transaction,
        tenant_id: UUID,
        *,
        name: str,
        scopes: frozenset[str],
        expires_at: datetime | None,
        allowed_sources: tuple[Network, ...],
    ) -> NewApiKey:
        credential = make_credential()
        api_key = ApiKey(
            key_id=credential.key_id,
            tenant_id=tenant_id,
            name=name,
            secret_hash=hash_secret(credential.secret),
            scopes=scopes,
            created_at=self._clock.now(),
            expires_at=expires_at,
            last_used_at=None,
            revoked_at=None,
            allowed_sources=allowed_sources,
        )
        await storage.insert_api_key(tx, api_key)
        return NewApiKey(api_key=api_key, credential=str(credential))

    @staticmethod
    async def _lock(tx: Transaction, tenant_id: UUID, key_id: str) -> ApiKey:
        key = await storage.lock_api_key(tx, tenant_id, key_id)
        if key is None:
            raise ApiKeyNotFound
        return key
