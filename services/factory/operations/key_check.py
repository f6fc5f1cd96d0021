"""Holding a credential against the API keys: once a call, so at the cost of a look into a dictionary most times."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from services.common.caller import Caller, CallerKind
from services.common.clock import Clock
from services.common.credentials import parse_credential
from services.common.database import Database
from services.common.errors import PermissionDenied, Unauthenticated, Unavailable
from services.common.logs import get_logger
from services.common.repeating import first_of
from services.factory.model.api_keys import ApiKey
from services.factory.storage import api_keys as storage

FRESH_SECONDS: Final = 0.5
"""How long what was read of a key is believed: a revoked one is refused within a second, with room for a slow read."""
MOST_CACHED: Final = 10_000
"""Keys that are kept, and as many ids that nobody has. Guesses push out guesses, never keys."""
_REFUSED = "the API key is not valid: it is mistyped, revoked or expired; make a new one"

_log = get_logger(__name__)


class KeyCheck:
    """Names the caller behind an API key, and notes when keys are used."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._keys: dict[str, tuple[float, ApiKey]] = {}
        self._nobodys: dict[str, float] = {}
        self._reading: dict[str, asyncio.Task[ApiKey | None]] = {}
        self._used: dict[str, datetime] = {}

    async def caller(self, text: str, client_address: str) -> Caller:
        """Return the caller.

        Unauthenticated, with one message whatever failed, for a credential that does not hold; PermissionDenied for one
        that does, used from an address that the key does not allow.
        """
        credential = parse_credential(text)
        if credential is None:
            raise Unauthenticated(_REFUSED)
        key = await self._key(credential.key_id)
        now = self._clock.now()
        if key is None or not key.has_secret(credential.secret) or not key.holds(now):
            raise Unauthenticated(_REFUSED)
        if not key.works_from(client_address):
            raise PermissionDenied(
                f"this API key does not work from {client_address}", metadata={"client_address": client_address}
            )
        self._used[key.key_id] = now
        return Caller(kind=CallerKind.API_KEY, subject=key.key_id, scopes=key.scopes, tenant_id=key.tenant_id)

    @contextlib.asynccontextmanager
    async def noting_use(self, *, every_seconds: float) -> AsyncIterator[None]:
        """Write the keys' last use now and then while the block runs, and once more at its end."""
        stop = asyncio.Event()
        writing = asyncio.create_task(self._write_until(stop, every_seconds))
        try:
            yield
        finally:
            stop.set()
            await writing

    async def _key(self, key_id: str) -> ApiKey | None:
        now = time.monotonic()
        fresh_until, key = self._keys.get(key_id, (0.0, None))
        if now < fresh_until:
            return key
        if now < self._nobodys.get(key_id, 0.0):
            return None
        # Calls that want the same key while it is read wait for that one read; one that gives up stops none of them.
        reading = self._reading.get(key_id)
        if reading is None:
            reading = self._reading[key_id] = asyncio.create_task(self._read(key_id))
            reading.add_done_callback(lambda task: self._was_read(key_id, task))
        return await asyncio.shield(reading)

    async def _read(self, key_id: str) -> ApiKey | None:
        fresh_until = time.monotonic() + FRESH_SECONDS  # from before the read: what arrives may be old by then
        async with self._database.reading() as tx:
            key = await storage.api_key_by_id(tx, key_id)
        if key is None:
            self._keys.pop(key_id, None)
            if len(self._nobodys) >= MOST_CACHED:
                self._nobodys.clear()
            self._nobodys[key_id] = fresh_until
        else:
            if len(self._keys) >= MOST_CACHED:
                self._keys.clear()
            self._keys[key_id] = (fresh_until, key)
        return key

    def _was_read(self, key_id: str, task: "asyncio.Task[ApiKey | None]") -> None:
        del self._reading[key_id]
        if not task.cancelled():
            task.exception()  # whoever waits gets it; when nobody does any more, it is nobody's

    async def _write_until(self, stop: asyncio.Event, every_seconds: float) -> None:
        stopped = False
        while not stopped:
            await first_of(stop.wait, seconds=every_seconds)
            stopped = stop.is_set()
            await self._write_use()

    async def _write_use(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with self._database.transaction() as tx:
                await storage.note_uses(tx, used)
        except Unavailable as error:
            self._used = used | self._used
            _log.warning("the last use of API keys is not written yet", error=error.message)
