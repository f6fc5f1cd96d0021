"""Recent history of units in Redis or Valkey: one atomic script a scan, one round trip for all that arrive together.

Everything here may be lost at any time: an empty server counts anew, and the total heals from PostgreSQL. Keys of one
unit share a hash tag, so the script stays on one slot of a Redis Cluster.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from services.common.logs import get_logger
from services.scan.model import RecentHistory

NEWS_CHANNEL = "voketag:units"
"""Carries `<unit id>` for a changed unit and `batch:<uuid>` for a changed batch."""
_REST_SECONDS = 0.5
_log = get_logger(__name__)

# Members of the window are totals, so the newest one is also the unit's total: exact between processes whose known
# totals are up to a second old. Time is the server's and never runs backwards within a window; one from before a clock
# was set back is dropped. Sizes are capped, so that an attacked unit costs no more than others.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local total = tonumber(ARGV[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if last[1] then
  local last_at = tonumber(last[2])
  if last_at > now + 60000000 then
    redis.call('DEL', KEYS[1])
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
local devices = redis.call('SCARD', KEYS[2])
if devices < 100 then devices = devices + redis.call('SADD', KEYS[2], ARGV[2]) end
redis.call('PEXPIRE', KEYS[2], 86400000)
return {total, redis.call('ZCOUNT', KEYS[1], now - 29999999, '+inf'), redis.call('ZCARD', KEYS[1]), devices}
"""


class HotStateAway(Exception):
    """The server does not answer in time. Not an error of the call: the verdict comes from elsewhere."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A scan as the hot state counts it."""

    unit_id: int
    device_hash: bytes
    known_scans: int


class HotState:
    """The recent history of units."""

    def __init__(self, *, url: str, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._redis = Redis.from_url(url, socket_connect_timeout=timeout_seconds)
        sha = self._redis.register_script(_SCRIPT).sha
        self._head = f"*7\r\n$7\r\nEVALSHA\r\n${len(sha)}\r\n{sha}\r\n$1\r\n2\r\n".encode()
        self._rest_until = 0.0

    async def count(self, sightings: Sequence[Sighting]) -> list[RecentHistory]:
        """Count scans and return each unit's recent history with its scan; HotStateAway without an answer in time."""
        if time.monotonic() < self._rest_until:
            raise HotStateAway
        try:
            async with asyncio.timeout(self._timeout):
                answers = await self._pipelined(sightings)
        except (RedisError, OSError, TimeoutError) as error:
            # Rest, so that while the server is away scans do not wait for it one group after the other.
            self._rest_until = time.monotonic() + _REST_SECONDS
            _log.warning("the hot state does not answer", error=repr(error))
            raise HotStateAway from error
        return [
            RecentHistory(total=total, rapid=rapid, recent=recent, devices=devices)
            for total, rapid, recent, devices in answers
        ]

    async def news(self) -> AsyncIterator[str]:
        """Yield the payloads of the channel of changes; ends with RedisError or OSError when the connection does."""
        async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(NEWS_CHANNEL)
            async for message in channel.listen():
                yield message["data"].decode(errors="replace")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _pipelined(self, sightings: Sequence[Sighting]) -> list[Any]:
        answers = await self._send(sightings)
        lost = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if lost:  # a server that was restarted or flushed; the script did not run for these
            await self._redis.script_load(_SCRIPT)
            again = await self._send([sightings[place] for place in lost])
            for place, answer in zip(lost, again, strict=True):
                answers[place] = answer
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def _send(self, sightings: Sequence[Sighting]) -> list[Any]:
        """Send one script call per scan and read the answers; a refused call is its error.

        The commands are put together here because redis-py takes twenty times as long for it, which was a tenth of a
        scan's CPU.
        """
        connection: Any = await self._redis.connection_pool.get_connection()
        try:
            await connection.send_packed_command([b"".join([self._head + _arguments(seen) for seen in sightings])])
            return [await _answer(connection) for _ in sightings]
        finally:
            await self._redis.connection_pool.release(connection)


def _arguments(seen: Sighting) -> bytes:
    """Return the keys and arguments of the script as RESP bulk strings."""
    tag, known = f"scan:{{{seen.unit_id}}}:", str(seen.known_scans)
    window, devices = len(tag) + len("window"), len(tag) + len("devices")
    text = f"${window}\r\n{tag}window\r\n${devices}\r\n{tag}devices\r\n${len(known)}\r\n{known}\r\n"
    return text.encode() + b"$%d\r\n%b\r\n" % (len(seen.device_hash), seen.device_hash)


async def _answer(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
