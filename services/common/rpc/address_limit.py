"""How often one client address may call public methods that cost more than they look: an interceptor.

GCRA (a leaky bucket that remembers one number: when it will be empty), kept by each process for itself. Scan counts in
Valkey, for all its processes and in the round trip that a scan makes anyhow. Here that round trip would be the only
one, few processes share the callers, and what is protected is each process's own connection to a node; so a limit that
is N times as high with N processes is good enough, and works while Valkey is away.
"""

import math
import time
from collections.abc import Callable, Collection

from services.common.addresses import network_of
from services.common.errors import RateLimited
from services.common.rpc.call import Call
from services.common.rpc.methods import Method
from services.common.rpc.pipeline import Interceptor

_MINUTE = 60.0
_MOST_ADDRESSES = 50_000


class AddressLimit(Interceptor):
    """Lets an IPv4 address, or the /64 of an IPv6 one, make so many calls of some methods in a minute."""

    name = "address limit"

    def __init__(self, methods: Collection[str], *, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        """`methods` are names as `Method.name` has them; all of them share one bucket. 0 a minute is no limit."""
        self._methods = frozenset(methods)
        self._limit = per_minute
        self._now = now
        self._empty_at: dict[str, float] = {}

    async def before(self, method: Method, call: Call) -> None:
        """Count a call; RateLimited when its address has had its share."""
        if not self._limit or method.name not in self._methods:
            return
        now, cost = self._now(), _MINUTE / self._limit
        network = network_of(call.client_address)
        full = max(self._empty_at.pop(network, now), now) + cost
        wait = full - now - _MINUTE
        if wait > 1e-6:
            self._keep(network, full - cost, now)
            call.answer_metadata |= self._told(0, full - cost - now) | {"retry-after": str(math.ceil(wait))}
            raise RateLimited("too many checks from this address; wait and try again", retry_after_seconds=wait)
        self._keep(network, full, now)
        call.answer_metadata |= self._told(int((_MINUTE - (full - now)) / cost + 1e-6), full - now)

    def _told(self, remaining: int, reset: float) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self._limit),
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-reset": str(max(1, math.ceil(reset))),
        }

    def _keep(self, network: str, empty_at: float, now: float) -> None:
        """Remember a bucket; the ones that were used longest ago make room, as an empty one needs no memory."""
        self._empty_at[network] = empty_at
        while (oldest := next(iter(self._empty_at))) != network and (
            len(self._empty_at) > _MOST_ADDRESSES or self._empty_at[oldest] <= now
        ):
            del self._empty_at[oldest]
