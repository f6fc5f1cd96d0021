"""Ids of things: UUID version 7 (RFC 9562), so that new rows land at the right edge of an index.

Within one process each id is greater than the one before, so that "in the order of their ids" is the order of making:
paging, outboxes and the leaves of an anchor tree depend on it. *Alternatives:* random bits alone after the
millisecond, as section 5.7 allows, which shuffles whatever is made within one; a counter in the random bits (section
6.2, methods 1 and 2), which lets a neighbour of a known id be guessed; a sequence column per table, which costs a
round trip and says no more: between processes no order is promised either way.
"""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

_FRACTIONS = 1 << 12
_NANOSECONDS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_RANDOM_BITS = 0xFFF << 64 | (1 << 62) - 1  # around version and variant


class Uuid7:
    """Makes UUIDv7: 48 bits of Unix milliseconds, 12 bits of their fraction (section 6.2, method 3), 62 random bits.

    Time is counted in 4096ths of a millisecond. A clock that stands still or is set back does not stop the count: it
    goes on by one for each id until the clock has caught up.
    """

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        """`clock` gives nanoseconds since 1970."""
        self._clock = clock
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self) -> UUID:
        """Return a new id, greater than all that this maker has made."""
        milliseconds, rest = divmod(self._clock(), _NANOSECONDS)
        with self._lock:
            now = milliseconds * _FRACTIONS + rest * _FRACTIONS // _NANOSECONDS
            self._last = max(now, self._last + 1)
            ticks = self._last
        value = (ticks >> 12 & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64
        value |= 0x2 << 62 | int.from_bytes(os.urandom(8)) >> 2
        return UUID(int=value)


uuid7 = Uuid7()
"""Make an id: the process's own maker."""


def uuid7_at(moment: datetime) -> UUID:
    """Return a new id of a moment, in no order with others of the same millisecond: for what is stamped by another
    clock than the machine's, and found again by the time in its id."""
    value = (moment - _EPOCH) // _MILLISECOND << 80 | 0x7 << 76 | 0x2 << 62
    return UUID(int=value | int.from_bytes(os.urandom(10)) & _RANDOM_BITS)
