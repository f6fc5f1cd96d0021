"""Redis or Valkey as scans use it: several scripts in one round trip, for all scans that arrive together.

Everything there may be lost at any time. What the scripts do stands in `sightings` and `limits`; each keeps to one slot
of a Redis Cluster.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from services.common.logs import get_logger
from services.scan.breaker import Breaker

NEWS_CHANNEL = "voketag:units"
"""Carries `<unit id>` of a changed unit, `batch:<uuid>` of a changed batch, `tenant:<uuid>` of changed settings."""
_log = get_logger(__name__)


class HotStateAway(Exception):
    """The server does not answer in time. Not an error of the call: the verdict comes from elsewhere."""


class Script:
    """A Lua script that runs as one step, on keys of one slot."""

    def __init__(self, source: str, *, keys: int) -> None:
        self.source = source
        sha = sha1(source.encode(), usedforsecurity=False).hexdigest()  # what the server calls the script by
        self._head = f"$7\r\nEVALSHA\r\n$40\r\n{sha}\r\n$1\r\n{keys}\r\n".encode()

    def call(self, *parts: bytes) -> "ScriptCall":
        """Return a call with keys and arguments, as the protocol writes it (RESP2).

        It is put together here because redis-py takes twenty times as long for it, which was a tenth of a scan's CPU.
        """
        body = b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])
        return ScriptCall(self, b"*%d\r\n%b%b" % (3 + len(parts), self._head, body))


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """A call that is ready to be sent."""

    script: Script
    command: bytes


class HotState:
    """The server."""

    def __init__(self, *, url: str, timeout_seconds: float, breaker: Breaker) -> None:
        self._timeout = timeout_seconds
        self._redis = Redis.from_url(url, socket_connect_timeout=timeout_seconds)
        self._breaker = breaker

    async def run(self, calls: Sequence[ScriptCall]) -> list[Any]:
        """Run scripts in one round trip and return their answers in order; HotStateAway without an answer in time.

        While the server is away, nobody waits for it: one group in a while tries whether it is back.
        """
        if not calls:
            return []
        if not self._breaker.allows():
            raise HotStateAway
        try:
            async with asyncio.timeout(self._timeout):
                answers = await self._pipelined(calls)
        except (RedisError, OSError, TimeoutError) as error:
            self._breaker.failed()
            _log.warning("the hot state does not answer", error=repr(error))
            raise HotStateAway from error
        except BaseException:
            self._breaker.abandoned()
            raise
        self._breaker.succeeded()
        return answers

    async def news(self) -> AsyncIterator[str]:
        """Yield the payloads of the channel of changes; ends with RedisError or OSError when the connection does."""
        async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.subscribe(NEWS_CHANNEL)
            async for message in channel.listen():
                yield message["data"].decode(errors="replace")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _pipelined(self, calls: Sequence[ScriptCall]) -> list[Any]:
        answers = await self._send(calls)
        lost = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if lost:  # a server that was restarted or flushed; the scripts did not run for these
            for source in {calls[place].script.source for place in lost}:
                await self._redis.script_load(source)
            again = await self._send([calls[place] for place in lost])
            for place, answer in zip(lost, again, strict=True):
                answers[place] = answer
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def _send(self, calls: Sequence[ScriptCall]) -> list[Any]:
        """Send calls and read the answers; a refused call is its error."""
        connection: Any = await self._redis.connection_pool.get_connection()
        try:
            await connection.send_packed_command([b"".join([call.command for call in calls])])
            return [await _answer(connection) for _ in calls]
        except BaseException:
            await connection.disconnect(nowait=True)  # answers under way would be taken for the next group's
            raise
        finally:
            await self._redis.connection_pool.release(connection)


async def _answer(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
