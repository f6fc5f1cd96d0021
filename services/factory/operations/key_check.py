"""Holding a credential against the API keys: once a call, so at the cost of a look into a dictionary most times."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import datetime

from services.common.caller import Caller, CallerKind
from services.common.clock import Clock
from services.common.credentials import parse_credential
from services.common.database import Database
from services.common.errors import Unauthenticated, Unavailable
from services.common.logs import get_logger
from services.factory.model.api_keys import ApiKey
from services.factory.storage import api_keys as storage

_FRESH_SECONDS = 0.5  # a revoked key is refused within a second, with room for a slow read
_MOST_CACHED = 10_000
_REFUSED = "the API key is not valid: it is mistyped, revoked or expired; make a new one"

_log = get_logger(__name__)


class KeyCheck:
    """Names the caller behind an API key, and notes when keys are used."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._fresh: dict[str, tuple[float, ApiKey]] = {}
        self._used: dict[str, datetime] = {}

    async def caller(self, text: str) -> Caller:
        """Return the caller; Unauthenticated, with one message whatever failed, for a credential that does not hold."""
        credential = parse_credential(text)
        if credential is None:
            raise Unauthenticated(_REFUSED)
        key = await self._key(credential.key_id)
        now = self._clock.now()
        if key is None or not key.has_secret(credential.secret) or not key.holds(now):
            raise Unauthenticated(_REFUSED)
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
        asked_at = time.monotonic()  # before the read: what is read may be old by the time that it arrives
        fresh_until, key = self._fresh.get(key_id, (0.0, None))
        if asked_at < fresh_until:
            return key
        async with self._database.reading() as tx:
            key = await storage.api_key_by_id(tx, key_id)
        if key is not None:
            if len(self._fresh) >= _MOST_CACHED:
                self._fresh.clear()
            self._fresh[key_id] = (asked_at + _FRESH_SECONDS, key)
        return key

    async def _write_until(self, stop: asyncio.Event, every_seconds: float) -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_seconds)
            await self._write_use()

    async def _write_use(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with self._database.reading() as tx:
                for key_id, used_at in used.items():
                    await storage.note_use(tx, key_id, used_at)
        except Unavailable as error:
            self._used = used | self._used
            _log.warning("the last use of API keys is not written yet", error=error.message)
