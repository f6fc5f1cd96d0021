"""How often a caller may ask: counted in Redis for all processes, in the same round trip as the scan itself.

The algorithm is GCRA (a leaky bucket that remembers one number: when it will be empty), on Redis' clock. A caller is an
IPv4 address, the /64 of an IPv6 one, or a partner's API key, which has a larger limit from wherever it calls. Each has
a bucket for all calls in the region of the process, one for all calls everywhere, and a much smaller one for codes that
are not ours; when any is full, every call is refused. (If only unknown codes were refused then, a guess that hits would
show by its answer.) Wrong guesses count everywhere: whoever goes around the regions gets no more of them. A limited
call counts nothing for its unit from its second refusal on: the process remembers the refusal until its end, which also
spares Redis the flood.

A region is whatever the setting of the processes says; without it there is one. "Everywhere" is as far as the same
Redis is: regions that have one each count apart, and their limits everywhere hold in each.

While Redis is away each process counts for itself, with the same limits. It knows nobody then, so that everybody is a
newcomer, where newcomers have less.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from services.scan.hot_state import Script, ScriptCall

_MINUTE = 60.0
_DAY = 86_400.0
_MOST_REFUSED = 50_000
_KEY = "key "
"""Begins the names of callers that are API keys. No address has a blank in it."""

# A bucket is the time at which it is empty again. A call moves it on by its cost; more than a full bucket ahead of now
# is too much. Times are microseconds of the server's clock; a bucket from before that clock was set back is dropped. Of
# the buckets for all calls the caller is told of the one that leaves it the fewest.
_SCRIPT = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window, newcomer = tonumber(ARGV[1]), tonumber(ARGV[6]) * 1000000
local share = 1
if newcomer > 0 then
  local first = tonumber(redis.call('GETEX', KEYS[4], 'PX', 86400000) or now + 1)
  if first > now then
    first = now
    redis.call('SET', KEYS[4], string.format('%.0f', now), 'PX', 86400000)
  end
  if now - first < newcomer then share = 2 end
end
local wait, empty_in, paid, limit, remaining = 0, 0, 0, 0, nil
local filled = {}
for place = 1, 3 do
  local most = tonumber(ARGV[1 + place])
  if most > 0 then
    if place < 3 then most = math.max(1, math.floor(most / share)) end
    local cost, at = window / most, tonumber(redis.call('GET', KEYS[place]) or now)
    if at > now + 2 * window then at = now end
    at = math.max(at, now)
    if at + cost > now + window then wait = math.max(wait, at + cost - now - window) end
    if place < 3 or ARGV[5] == '1' then filled[place] = at + cost end
    if place < 3 then
      local left = math.max(0, math.floor((now + window - at - cost) / cost + 0.001))
      if not remaining or left < remaining then limit, remaining, empty_in, paid = most, left, at - now, cost end
    end
  end
end
if wait > 0 then return {0, limit, 0, math.ceil(wait / 1000), math.ceil(math.max(wait, empty_in) / 1000)} end
for place, at in pairs(filled) do
  redis.call('SET', KEYS[place], string.format('%.0f', at), 'PX', math.ceil((at - now) / 1000) + 1)
end
return {1, limit, remaining or 0, 0, math.ceil((empty_in + paid) / 1000)}
""",
    keys=4,
)

# The buckets of the platform and of the region: one call for all scans of a group. Returns how many of them may pass.
_CEILING = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local free, filled = tonumber(ARGV[3]), {}
for place = 1, 2 do
  local most = tonumber(ARGV[place])
  if most > 0 then
    local at = tonumber(redis.call('GET', KEYS[place]) or now)
    if at > now + 2000000 then at = now end
    filled[place] = math.max(at, now)
    free = math.min(free, math.floor((now + 1000000 - filled[place]) * most / 1000000 + 0.001))
  end
end
if free <= 0 then return 0 end
for place, at in pairs(filled) do
  redis.call('SET', KEYS[place], string.format('%.0f', at + free * 1000000 / tonumber(ARGV[place])), 'PX', 2000)
end
return free
""",
    keys=2,
)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What became of a call: let through or not, of how many in a minute (0: it is not limited), how many more may come
    at once, when to come back, and when the bucket is empty again; seconds."""

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
        return (told if self.limit else {}) | ({} if self.allowed else {"retry-after": str(_up(self.retry_after))})


_BUSY_SECONDS = 1.0
_BUSY = Allowance(allowed=False, limit=0, remaining=0, retry_after=_BUSY_SECONDS, reset_after=_BUSY_SECONDS)
"""The whole platform has as much to do as it may."""


def key_caller(key_id: str) -> str:
    """Return the name of a caller that is an API key."""
    return _KEY + key_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How much is allowed; 0 turns a limit off."""

    per_minute: int
    """Calls of an address in a region."""
    key_per_minute: int
    """Calls of an API key in a region."""
    everywhere_per_minute: int
    """Calls of an address in all regions."""
    key_everywhere_per_minute: int
    """Calls of an API key in all regions."""
    failures_per_minute: int
    """Codes that are not ours, of either, in all regions."""
    newcomer_seconds: int
    """How long an address that was not seen for a day has half the limits."""
    platform_per_second: int
    """Calls of everybody in all regions."""
    region_per_second: int
    """Calls of everybody in a region."""


class Limits:
    """The limits of callers, of the platform, and of its part in one region."""

    def __init__(self, *, rates: Rates, region: str) -> None:
        """`region` names where this process is; empty where there are no regions."""
        self._rates = rates
        self._suffix = f":{region}".encode() if region else b""
        self._numbers = {
            False: (rates.per_minute, rates.everywhere_per_minute),
            True: (rates.key_per_minute, rates.key_everywhere_per_minute),
        }
        self._ceilings = (rates.platform_per_second, rates.region_per_second)
        self._ceiling = min([each for each in self._ceilings if each], default=0)
        """What it comes to for a process that knows of no other: the lower one."""
        self._refused: dict[str, tuple[float, int]] = {}
        self._first_seen: dict[str, float] = {}
        self._local: dict[tuple[str, bool], float] = {}
        self._platform_empty_at = 0.0

    @property
    def on(self) -> bool:
        """Whether any caller is limited."""
        return any(map(any, self._numbers.values())) or self._rates.failures_per_minute > 0

    def refused(self, caller: str) -> Allowance | None:
        """Return the refusal that a caller has to sit out, None for one who may try."""
        refusal = self._refused.get(caller)
        if refusal is None:
            return None
        until, limit = refusal
        left = until - time.monotonic()
        if left <= 0:
            del self._refused[caller]
            return None
        return Allowance(allowed=False, limit=limit, remaining=0, retry_after=left, reset_after=left)

    def call(self, caller: str, *, failed: bool) -> ScriptCall:
        """Return the call of the script that counts one call; `failed` says that its code is not ours."""
        tag = b"limit:{%b}:" % caller.encode()
        is_key = caller.startswith(_KEY)
        in_region, everywhere = self._numbers[is_key]
        return _SCRIPT.call(
            tag + b"all" + self._suffix,
            tag + b"everywhere",
            tag + b"failed",
            tag + b"first",
            b"%d" % (_MINUTE * 1_000_000),
            b"%d" % in_region,
            b"%d" % everywhere,
            b"%d" % self._rates.failures_per_minute,
            b"1" if failed else b"0",
            b"%d" % (0 if is_key else self._rates.newcomer_seconds),
        )

    def calls(self, callers: Sequence[tuple[str, bool]]) -> list[ScriptCall]:
        """Return the script calls for a group: callers, and whether their codes are not ours."""
        calls = [self.call(caller, failed=failed) for caller, failed in callers] if self.on else []
        if self._ceiling:
            tag = b"limit:{platform}"
            platform, region = self._ceilings
            numbers = (b"%d" % platform, b"%d" % region, b"%d" % len(callers))
            calls.append(_CEILING.call(tag, tag + b":region" + self._suffix, *numbers))
        return calls

    def allowances(self, callers: Sequence[str], answers: Sequence[Any]) -> list[Allowance | None]:
        """Return what the answers to `calls` give each caller; None without limits."""
        given: list[Allowance | None] = [None] * len(callers)
        if self.on:
            given = [self.allowance(caller, answer) for caller, answer in zip(callers, answers, strict=False)]
        return _beneath(answers[-1], given) if self._ceiling else given

    def allowance(self, caller: str, answer: Sequence[Any]) -> Allowance:
        """Return what the script answered, and remember a refusal."""
        allowed, limit, remaining, retry_ms, reset_ms = answer
        given = Allowance(bool(allowed), limit, remaining, retry_ms / 1000, reset_ms / 1000)
        if not given.allowed:
            self._remember(caller, given)
        return given

    def counted_here(self, callers: Sequence[tuple[str, bool]]) -> list[Allowance | None]:
        """Count a group in this process alone, while Redis is away; None without limits."""
        given = [self._count_here(caller, failed=failed) if self.on else None for caller, failed in callers]
        return _beneath(self._free_here(len(callers)), given) if self._ceiling else given

    def _count_here(self, caller: str, *, failed: bool) -> Allowance:
        now, limit = time.monotonic(), self._limit_here(caller)
        if len(self._local) > _MOST_REFUSED:
            self._local = {key: empty_at for key, empty_at in self._local.items() if empty_at > now}
        everything = max(self._local.get((caller, False), now), now)
        failures = max(self._local.get((caller, True), now), now)
        wait = max(_over(everything, limit, now), _over(failures, self._rates.failures_per_minute, now))
        if wait > 0:
            refusal = Allowance(False, limit, 0, wait, max(wait, everything - now))
            self._remember(caller, refusal)
            return refusal
        if limit:
            everything = self._local[caller, False] = everything + _MINUTE / limit
        if self._rates.failures_per_minute and failed:
            self._local[caller, True] = failures + _MINUTE / self._rates.failures_per_minute
        remaining = int((now + _MINUTE - everything) * limit / _MINUTE + 0.001) if limit else 0
        return Allowance(True, limit, remaining, 0, everything - now)

    def _limit_here(self, caller: str) -> int:
        """Return a caller's limit in a process that knows of no other region: the lower one, or half of it."""
        is_key = caller.startswith(_KEY)
        limit = min([each for each in self._numbers[is_key] if each], default=0)
        newcomer = 0 if is_key else self._rates.newcomer_seconds
        if not limit or not newcomer:
            return limit
        now = time.monotonic()
        first_seen = self._first_seen.get(caller, -_DAY)
        if now - first_seen >= _DAY:
            while len(self._first_seen) >= _MOST_REFUSED:
                del self._first_seen[next(iter(self._first_seen))]
            first_seen = self._first_seen[caller] = now
        return max(1, limit // 2) if now - first_seen < newcomer else limit

    def _free_here(self, wanted: int) -> int:
        """Return how many of `wanted` calls the ceiling leaves. Of several processes each has the whole ceiling."""
        now = time.monotonic()
        empty_at = max(self._platform_empty_at, now)
        free = min(wanted, int((now + 1 - empty_at) * self._ceiling + 0.001))
        self._platform_empty_at = empty_at + free / self._ceiling
        return free

    def _remember(self, caller: str, refusal: Allowance) -> None:
        while len(self._refused) >= _MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._refused[caller] = time.monotonic() + refusal.retry_after, refusal.limit


def _beneath(free: int, given: list[Allowance | None]) -> list[Allowance | None]:
    """Return what a group is given when the ceiling leaves room for `free` of it: those who came last have to wait, and
    longer where their own limit says so."""
    return given[:free] + [_busy(each) for each in given[free:]]


def _busy(own: Allowance | None) -> Allowance:
    if own is None:
        return _BUSY
    return replace(own, allowed=False, retry_after=max(own.retry_after, _BUSY_SECONDS))


def _over(empty_at: float, limit: int, now: float) -> float:
    """Return how long a bucket is over its rim with one more call, 0 when it is not."""
    return max(0.0, empty_at + _MINUTE / limit - now - _MINUTE) if limit else 0.0


def _up(seconds: float) -> int:
    return max(1, -int(-seconds // 1))
