"""Partners who scan with their API key: recognised for their limits, and for nothing else.

A scan is public; a key only says that many scans come from one known partner rather than from one address. So a key
that is not recognised is no error: its caller is the address, as without one. Keys are read from the registry, which
says nothing of them but the hash of the secret and the end; what was read is believed for seconds.
"""

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from services.common.clock import Clock
from services.common.credentials import Credential, hash_secret
from services.scan.model import KeyFacts

Load = Callable[[Sequence[str]], Awaitable[Mapping[str, KeyFacts]]]
"""Reads what recognises the keys that hold, by key id, in one query."""

_BELIEVED_SECONDS = 5.0
_MOST_KEPT = 10_000


class Partners:
    """Recognises keys, and remembers the last ones."""

    def __init__(self, load: Load, *, clock: Clock, now: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._now = now
        self._kept: dict[str, tuple[float, KeyFacts | None]] = {}

    def known(self, credential: Credential) -> bool:
        """Whether a key is recognised without a look into the registry."""
        good_until, facts = self._kept.get(credential.key_id, (0.0, None))
        return good_until > self._now() and self._fits(credential, facts)

    async def recognised(self, credentials: Sequence[Credential | None]) -> list[str | None]:
        """Return the key id of each credential that holds, None for others; Unavailable when the registry is away."""
        now = self._now()
        asked = {each.key_id for each in credentials if each is not None}
        if not asked:
            return [None] * len(credentials)
        if missing := [key_id for key_id in asked if self._kept.get(key_id, (0.0, None))[0] <= now]:
            found = await self._load(missing)
            for key_id in missing:
                self._keep(key_id, (now + _BELIEVED_SECONDS, found.get(key_id)))
        return [
            each.key_id if each is not None and self._fits(each, self._facts(each.key_id)) else None
            for each in credentials
        ]

    def _facts(self, key_id: str) -> KeyFacts | None:
        _, facts = self._kept.get(key_id, (0.0, None))
        return facts

    def _fits(self, credential: Credential, facts: KeyFacts | None) -> bool:
        if facts is None or (facts.expires_at is not None and self._clock.now() >= facts.expires_at):
            return False
        return hmac.compare_digest(hash_secret(credential.secret), facts.secret_hash)

    def _keep(self, key_id: str, entry: tuple[float, KeyFacts | None]) -> None:
        self._kept.pop(key_id, None)
        self._kept[key_id] = entry
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
