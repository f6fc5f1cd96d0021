"""What is done with a tenant's settings."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import ConcurrentUpdate
from services.factory.hot_state import HotState
from services.factory.model.page import Page
from services.factory.model.settings import TenantSettings
from services.factory.storage import settings as storage


class Settings:
    """Settings of one tenant at a time."""

    def __init__(self, *, database: Database, clock: Clock, hot_state: HotState) -> None:
        self._database = database
        self._clock = clock
        self._hot_state = hot_state

    async def get(self, tenant_id: UUID) -> TenantSettings:
        """Return the present settings."""
        async with self._database.reading() as tx:
            return await storage.read(tx, tenant_id)

    async def update(
        self, tx: Transaction, tenant_id: UUID, change: Mapping[str, Any], *, version: int, who: str
    ) -> TenantSettings:
        """Change settings; Scan hears of it once the transaction is committed.

        `version` is the one that the caller has seen, 0 for any: ConcurrentUpdate when it is not the present one.
        InvalidArgument when the outcome makes no sense. A change to what is there already makes no new version.
        """
        before = await storage.read(tx, tenant_id, lock=True)
        if version not in {0, before.version}:
            raise ConcurrentUpdate
        after = replace(before, **change)
        after.check()
        if after == before:
            return before
        after = replace(after, version=before.version + 1, updated_at=self._clock.now(), updated_by=who)
        await storage.replace(tx, tenant_id, before, after)
        tx.after_commit(partial(self._hot_state.tenant_changed, tenant_id))
        return after

    async def versions(self, tenant_id: UUID, *, below: int | None, limit: int) -> Page[TenantSettings]:
        """Return the settings as they are and were, newest first, from the one before version `below` on."""
        async with self._database.reading() as tx:
            present = await storage.read(tx, tenant_id)
            first = [] if below is not None and present.version >= below else [present]
            found = await storage.versions(
                tx, tenant_id, below=present.version if below is None else below, limit=limit + 1 - len(first)
            )
        return Page.cut([*first, *found], limit)
