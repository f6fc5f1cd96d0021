"""Telling tenants that API keys end soon, once a key: an event that webhooks carry."""

from datetime import UTC, timedelta

from services.common.clock import Clock
from services.common.database import Database
from services.factory.operations import outbox
from services.factory.storage import api_keys as storage

_PAGE = 100


class KeyNotices:
    """Tells of keys that end within `within`."""

    def __init__(self, *, database: Database, clock: Clock, within: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._within = within

    async def note_expiring(self) -> int:
        """Note `key.expiring` for every key that ends soon and was not told of; return how many. Unavailable.

        Event and mark are one transaction, and a key that another process has in hand is skipped.
        """
        noted = 0
        while True:
            async with self._database.transaction() as tx:
                keys = await storage.take_expiring(tx, now=self._clock.now(), within=self._within, limit=_PAGE)
                for key in keys:
                    assert key.expires_at is not None  # noqa: S101 - that is what was asked for
                    payload = {
                        "key_id": key.key_id,
                        "name": key.name,
                        "expires_at": key.expires_at.astimezone(UTC).isoformat(),
                    }
                    await outbox.put(tx, key.tenant_id, "key.expiring", subject=key.key_id, payload=payload)
            noted += len(keys)
            if len(keys) < _PAGE:
                return noted
