"""How often a caller may ask: counted in Redis for all processes, in the same round trip as the scan itself.

The algorithm is GCRA (a leaky bucket that remembers one number: when it will be empty), on Redis' clock. A caller is an
IPv4 address, the /64 of an IPv6 one, or a partner's API key, which has a larger limit from wherever it calls. Each has
two buckets: one for all calls, and a much smaller one for codes that are not ours; when either is full, every call is
refused. (If only unknown codes were refused then, a guess that hits would show by its answer.) A limited call counts
nothing for its unit from its second refusal on: the process remembers the refusal until its end, which also spares
Redis the flood.

While Redis is away each process counts for itself, with the same limits.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.scan.hot_state import Script, ScriptCall

_MINUTE = 60.0
_MOST_REFUSED = 50_000
_KEY = "key "
"""Begins the names of callers that are API keys. No address has a blank in it."""

# A bucket is the time at which it is empty again. `cost` moves it on by one call; more than a full bucket ahead of now
# is too much. The first bucket is for all calls, the second for failures only. Times are microseconds of the server's
# clock; a bucket from before that clock was set back is dropped.
_SCRIPT = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function empty_at(key, window)
  local at = tonumber(redis.call('GET', key) or now)
  if at > now + 2 * window then at = now end
  return math.max(at, now)
end
local window = tonumber(ARGV[1])
local limit, failures = tonumber(ARGV[2]), tonumber(ARGV[3])
local all, failed = empty_at(KEYS[1], window), empty_at(KEYS[2], window)
if limit > 0 and ARGV[5] ~= '0' then
  local first = redis.call('SET', KEYS[3], string.format('%.0f', now), 'NX', 'PX', 86400000, 'GET')
  local known = first and now - tonumber(first) >= tonumber(ARGV[5]) * 1000000
  if not known then limit = math.max(1, math.floor(limit / 2)) end
end
local cost, fail_cost = 0, 0
if limit > 0 then cost = window / limit end
if failures > 0 then fail_cost = window / failures end
local wait = 0
if limit > 0 and all + cost > now + window then wait = all + cost - now - window end
if failures > 0 and failed + fail_cost > now + window then wait = math.max(wait, failed + fail_cost - now - window) end
if wait > 0 then return {0, 0, math.ceil(wait / 1000), math.ceil((all - now) / 1000)} end
if limit > 0 then
  all = all + cost
  redis.call('SET', KEYS[1], string.format('%.0f', all), 'PX', math.ceil((all - now) / 1000) + 1)
end
if failures > 0 and ARGV[4] == '1' then
  failed = failed + fail_cost
  redis.call('SET', KEYS[2], string.format('%.0f', failed), 'PX', math.ceil((failed - now) / 1000) + 1)
end
local remaining = 0
if limit > 0 then remaining = math.floor((now + window - all) / cost + 0.001) end
return {1, remaining, 0, math.ceil((all - now) / 1000)}
""",
    keys=3,
)

# The whole platform's bucket: one call for all scans of a group. Returns how many of them may pass.
_CEILING = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost, wanted = 1000000 / tonumber(ARGV[1]), tonumber(ARGV[2])
local at = tonumber(redis.call('GET', KEYS[1]) or now)
if at > now + 2000000 then at = now end
at = math.max(at, now)
local free = math.min(wanted, math.floor((now + 1000000 - at) / cost + 0.001))
if free <= 0 then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', at + free * cost), 'PX', 2000)
return free
""",
    keys=1,
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What became of a call: let through or not, how many more may come at once, when to come back, and when the bucket
    is empty again; seconds."""

    allowed: bool
    limit: int
    remaining: int
    retry_after: float
    reset_after: float

    def headers(self) -> dict[str, str]:
        """Return what the caller is told."""
        told = {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(_up(self.reset_after)),
        }
        return told if self.allowed else told | {"retry-after": str(_up(self.retry_after))}


_BUSY = Allowance(allowed=False, limit=0, remaining=0, retry_after=1.0, reset_after=1.0)
"""The whole platform has as much to do as it may."""


def key_caller(key_id: str) -> str:
    """Return the name of a caller that is an API key."""
    return _KEY + key_id


class Limits:
    """The limits of callers, and of the platform. 0 turns one off."""

    def __init__(
        self,
        *,
        per_minute: int,
        key_per_minute: int,
        failures_per_minute: int,
        newcomer_seconds: int,
        platform_per_second: int,
    ) -> None:
        """`key_per_minute` is the limit of an API key, `per_minute` that of everybody else. `newcomer_seconds` is how
        long an address that was not seen for a day has half the limit."""
        self._limit = per_minute
        self._key_limit = key_per_minute
        self._failures = failures_per_minute
        self._newcomer = newcomer_seconds
        self._platform = platform_per_second
        self._refused: dict[str, float] = {}
        self._local: dict[tuple[str, bool], float] = {}
        self._platform_empty_at = 0.0

    @property
    def on(self) -> bool:
        """Whether anything is limited."""
        return bool(self._limit or self._key_limit or self._failures)

    def refused(self, caller: str) -> Allowance | None:
        """Return the refusal that a caller has to sit out, None for one who may try."""
        until = self._refused.get(caller)
        if until is None:
            return None
        left = until - time.monotonic()
        if left <= 0:
            del self._refused[caller]
            return None
        return Allowance(allowed=False, limit=self._of(caller), remaining=0, retry_after=left, reset_after=left)

    def call(self, caller: str, *, failed: bool) -> ScriptCall:
        """Return the call of the script that counts one call; `failed` says that its code is not ours."""
        tag = b"limit:{%b}:" % caller.encode()
        return _SCRIPT.call(
            tag + b"all",
            tag + b"failed",
            tag + b"first",
            b"%d" % (_MINUTE * 1_000_000),
            b"%d" % self._of(caller),
            b"%d" % self._failures,
            b"1" if failed else b"0",
            b"%d" % (0 if caller.startswith(_KEY) else self._newcomer),
        )

    def calls(self, callers: Sequence[tuple[str, bool]]) -> list[ScriptCall]:
        """Return the script calls for a group: callers, and whether their codes are not ours."""
        calls = [self.call(caller, failed=failed) for caller, failed in callers] if self.on else []
        if self._platform:
            calls.append(_CEILING.call(b"limit:{platform}", b"%d" % self._platform, b"%d" % len(callers)))
        return calls

    def allowances(self, callers: Sequence[str], answers: Sequence[Any]) -> list[Allowance | None]:
        """Return what the answers to `calls` give each caller; None without limits."""
        given: list[Allowance | None] = [None] * len(callers)
        if self.on:
            given = [self.allowance(caller, answer) for caller, answer in zip(callers, answers, strict=False)]
        if self._platform:
            for place in range(answers[-1], len(callers)):  # those who came last
                given[place] = _BUSY
        return given

    def allowance(self, caller: str, answer: Sequence[Any]) -> Allowance:
        """Return what the script answered, and remember a refusal."""
        allowed, remaining, retry_ms, reset_ms = answer
        given = Allowance(bool(allowed), self._of(caller), remaining, retry_ms / 1000, reset_ms / 1000)
        if not given.allowed:
            self._remember(caller, given.retry_after)
        return given

    def counted_here(self, callers: Sequence[tuple[str, bool]]) -> list[Allowance | None]:
        """Count a group in this process alone, while Redis is away; None without limits."""
        given = [self._count_here(caller, failed=failed) if self.on else None for caller, failed in callers]
        if self._platform:
            for place in range(self._free_here(len(callers)), len(callers)):
                given[place] = _BUSY
        return given

    def _count_here(self, caller: str, *, failed: bool) -> Allowance:
        now, limit = time.monotonic(), self._of(caller)
        if len(self._local) > _MOST_REFUSED:
            self._local = {key: empty_at for key, empty_at in self._local.items() if empty_at > now}
        everything = max(self._local.get((caller, False), now), now)
        failures = max(self._local.get((caller, True), now), now)
        wait = max(_over(everything, limit, now), _over(failures, self._failures, now))
        if wait > 0:
            self._remember(caller, wait)
            return Allowance(False, limit, 0, wait, everything - now)
        if limit:
            everything = self._local[caller, False] = everything + _MINUTE / limit
        if self._failures and failed:
            self._local[caller, True] = failures + _MINUTE / self._failures
        remaining = int((now + _MINUTE - everything) * limit / _MINUTE + 0.001) if limit else 0
        return Allowance(True, limit, remaining, 0, everything - now)

    def _free_here(self, wanted: int) -> int:
        """Return how many of `wanted` calls the ceiling leaves. Of several processes each has the whole ceiling."""
        now = time.monotonic()
        empty_at = max(self._platform_empty_at, now)
        free = min(wanted, int((now + 1 - empty_at) * self._platform + 0.001))
        self._platform_empty_at = empty_at + free / self._platform
        return free

    def _of(self, caller: str) -> int:
        return self._key_limit if caller.startswith(_KEY) else self._limit

    def _remember(self, caller: str, seconds: float) -> None:
        while len(self._refused) >= _MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._refused[caller] = time.monotonic() + seconds


def _over(empty_at: float, limit: int, now: float) -> float:
    """Return how long a bucket is over its rim with one more call, 0 when it is not."""
    return max(0.0, empty_at + _MINUTE / limit - now - _MINUTE) if limit else 0.0


def _up(seconds: float) -> int:
    return max(1, -int(-seconds // 1))
