"""A circuit breaker: while a part is away, nobody waits for it, and one call in a while tries whether it is back.

It is closed (calls pass), or open until a moment (none passes), or half open (one passes: the probe). Whatever becomes
of the probe, it ends within a bound: one that never reports back is given up, so the breaker cannot stick.

Alternatives considered: purgatory, pybreaker and aiobreaker count failures and know states, too, but a probe that is
cancelled or hangs leaves each of them half open for good, which is how the system before this one went dark.
"""

import time
from collections.abc import Callable

from prometheus_client import Gauge

_open = Gauge("voketag_scan_breaker_open", "1 while a part is held to be away.", ["part"])


class Breaker:
    """Knows whether a part is worth asking. Every call that `allows` lets pass ends with exactly one of the others."""

    def __init__(
        self,
        *,
        part: str,
        rest_seconds: float,
        probe_seconds: float,
        failures: int = 1,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`failures` in a row open it for `rest_seconds`; a probe may take `probe_seconds`."""
        self._open = _open.labels(part)
        self._rest = rest_seconds
        self._probe_seconds = probe_seconds
        self._limit = failures
        self._now = now
        self._failures = 0
        self._closed = True
        self._next_probe_at = 0.0

    def allows(self) -> bool:
        """Whether a call may try. Half open, this takes the one place of the probe."""
        if self._closed:
            return True
        if self._now() < self._next_probe_at:
            return False
        self._next_probe_at = self._now() + self._probe_seconds
        return True

    @property
    def open(self) -> bool:
        """Whether the part is held to be away, a probe under way or not."""
        return not self._closed

    @property
    def refuses(self) -> bool:
        """Whether a call would be refused now: to know it before queueing. Takes no place."""
        return not self._closed and self._now() < self._next_probe_at

    def succeeded(self) -> None:
        """Take note of an answer."""
        self._failures = 0
        if not self._closed:
            self._closed = True
            self._open.set(0)

    def failed(self) -> None:
        """Take note of a failure of the part: not of a refusal, which is an answer."""
        self._failures += 1
        if self._failures >= self._limit or not self._closed:
            self._closed = False
            self._next_probe_at = self._now() + self._rest
            self._open.set(1)

    def abandoned(self) -> None:
        """Take note of a call that ended before the part could answer: the next one may try."""
        if not self._closed:
            self._next_probe_at = min(self._next_probe_at, self._now())
