"""What is known of a unit's last minutes and day, counted in Redis: one atomic script a scan.

An empty server counts anew, and the total heals from PostgreSQL. Sizes are capped, so that an attacked unit costs no
more than others.

A *session* is what one device does with one unit within half an hour: an owner who reloads the page, or shows it to
friends, is one session. Frequency is sessions that begin in a short time: that is what copies look like, spread over
many devices. Counting every reload (as the seven factors were first defined) calls honest owners forgers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from services.scan.hot_state import Script, ScriptCall
from services.scan.model import RecentHistory, Visit

SESSION_SECONDS = 1_800
DAY_SECONDS = 86_400

# Members of the window are totals, so the newest one is also the unit's total: exact between processes whose known
# totals are up to a second old. Time is the server's and never runs backwards within a window; one from before a clock
# was set back is dropped. Sessions are devices by the time at which their session began.
_SCRIPT = Script(
    f"""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local total = tonumber(ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[1] then
  local last_at = tonumber(last[2])
  if last_at > now + 60000000 then
    redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
  else
    total = math.max(total, tonumber(last[1]))
    now = math.max(now, last_at + 1)
  end
end
total = total + 1
redis.call('ZADD', KEYS[1], now, total)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 60000000)
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1001)
redis.call('PEXPIRE', KEYS[1], 60000)
local began = redis.call('ZSCORE', KEYS[2], ARGV[2])
if not began or tonumber(began) <= now - {SESSION_SECONDS}000000 then
  redis.call('ZADD', KEYS[2], now, ARGV[2])
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - {DAY_SECONDS}000000)
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -101)
  redis.call('PEXPIRE', KEYS[2], {DAY_SECONDS}000)
end
local countries, before = 0, ''
if ARGV[3] ~= '' then
  redis.call('ZADD', KEYS[3], now, ARGV[3])
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - {DAY_SECONDS}000000)
  redis.call('PEXPIRE', KEYS[3], {DAY_SECONDS}000)
  countries = redis.call('ZCARD', KEYS[3])
end
if ARGV[4] ~= '' then
  before = redis.call('SET', KEYS[4], ARGV[4] .. ' ' .. string.format('%.0f', now), 'PX', {DAY_SECONDS}000, 'GET') or ''
end
return {{total, redis.call('ZCARD', KEYS[1]),
         redis.call('ZCOUNT', KEYS[2], now - 29999999, '+inf'), redis.call('ZCOUNT', KEYS[2], now - 59999999, '+inf'),
         redis.call('ZCARD', KEYS[2]), countries, before, string.format('%.0f', now)}}
""",
    keys=4,
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A scan as it is counted; `country` and `cell` are empty when they are not known."""

    unit_id: int
    device_hash: bytes
    known_scans: int
    country: str = ""
    cell: str = ""

    def call(self) -> ScriptCall:
        """Return the call that counts it."""
        tag = b"scan:{%d}:" % self.unit_id
        return _SCRIPT.call(
            tag + b"window",
            tag + b"sessions",
            tag + b"countries",
            tag + b"place",
            b"%d" % self.known_scans,
            self.device_hash,
            self.country.encode(),
            self.cell.encode(),
        )


def history_of(answer: Sequence[Any]) -> RecentHistory:
    """Return what the script answered."""
    total, recent, rapid_sessions, recent_sessions, devices, countries, before, now = answer
    return RecentHistory(
        total=total,
        recent=recent,
        rapid_sessions=rapid_sessions,
        recent_sessions=recent_sessions,
        devices=devices,
        countries=countries,
        previous=_visit(before.decode(), int(now)) if before else None,
    )


def _visit(text: str, now: int) -> Visit:
    cell, _, at = text.partition(" ")
    return Visit(cell=cell, seconds_ago=max(0.0, (now - int(at)) / 1_000_000))
