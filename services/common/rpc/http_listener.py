"""Where the second transport listens: connections of Envoy's, HTTP/1.1 parsed by httptools (Node's llhttp).

Two ends that keep connections open race when one of them closes an idle connection just as the other sends: that
request is lost, and Envoy does not know whether it was begun, so it may not send it again. So we never close an idle
connection of our own accord while Envoy may use it:
- a connection may be idle for ever here; Envoy drops its own after a while (`idle_timeout` of its cluster).
- a process that stops fails its health check at once and says `connection: close` on every answer. Envoy looks within a
  second, takes the process out of service, and drops the idle connections itself. Only then, or when nobody has dropped
  them for some seconds, the door is closed.

Alternatives considered: uvicorn and hypercorn. ASGI is what they speak, and neither sends trailers over it at a price
that leaves anything of what the second transport saves; both close idle connections when they stop.
"""

import asyncio
import socket
from pathlib import Path
from typing import Any, cast

import httptools

from services.common.errors import Code
from services.common.rpc.call import MAX_MESSAGE_BYTES, MAX_METADATA_BYTES
from services.common.rpc.http_transport import Headers, HttpRequest, HttpTransport, refused
from services.common.rpc.pipeline import Refused

_PATIENCE_SECONDS = 4.0  # two health checks of Envoy's slower interval
_LAST_WORDS_SECONDS = 0.2  # for the answers of cancelled calls
_POLL_SECONDS = 0.02
_BACKLOG = 2048
_MOST_BYTES = MAX_METADATA_BYTES + MAX_MESSAGE_BYTES + MAX_MESSAGE_BYTES // 8  # chunks have heads of their own


class HttpListener:
    """A listening socket and its connections."""

    def __init__(self, transport: HttpTransport, *, address: str) -> None:
        """Bind `host:port` or `unix:/path`; OSError when it is taken."""
        self._transport = transport
        self._connections: set[_Connection] = set()
        self._socket = _bind(address)
        self._servers: list[asyncio.Server] = []

    @property
    def port(self) -> int:
        """The TCP port; 0 of a Unix socket."""
        return 0 if self._socket.family == socket.AF_UNIX else int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Take connections."""
        loop = asyncio.get_running_loop()
        unix = self._socket.family == socket.AF_UNIX
        listen = cast(Any, loop.create_unix_server if unix else loop.create_server)
        server = await listen(lambda: _Connection(self._transport, self._connections), sock=self._socket)
        self._servers.append(server)

    def drain(self) -> None:
        """Let balancers know."""
        self._transport.drain()

    async def stop(self, grace_seconds: float) -> None:
        """Let calls that run end within the grace time, and close; calls that still run then are cancelled."""
        loop = asyncio.get_running_loop()
        end = loop.time() + grace_seconds
        await self._wait_for_connections(until=min(end, loop.time() + _PATIENCE_SECONDS))
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.finish()
        await self._wait_for_connections(until=end)
        for connection in list(self._connections):
            connection.cancel()
        await self._wait_for_connections(until=loop.time() + _LAST_WORDS_SECONDS)
        for connection in list(self._connections):
            connection.abort()
        await asyncio.sleep(0)

    async def _wait_for_connections(self, *, until: float) -> None:
        loop = asyncio.get_running_loop()
        while self._connections and loop.time() < until:  # noqa: ASYNC110 - an event would cost every connection
            await asyncio.sleep(_POLL_SECONDS)


class _Connection(asyncio.Protocol):
    """One connection, one request at a time: Envoy sends the next one when it has the answer."""

    def __init__(self, transport: HttpTransport, connections: "set[_Connection]") -> None:
        self._calls = transport
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._wire: asyncio.Transport
        self._peer = ""
        self._running: asyncio.Task[None] | None = None
        self._received = 0
        self._in_headers = True
        self._path = b""
        self._headers: Headers = []
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._wire = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if isinstance(peer, tuple) else "127.0.0.1"  # a Unix socket has none
        self._connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Cancel the call: the edge has given up on it."""
        self._connections.discard(self)
        self.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse(refused(Code.INTERNAL, "the request is not well formed"))
            return
        if self._received > (MAX_METADATA_BYTES if self._in_headers else _MOST_BYTES):
            self._refuse(refused(Code.RESOURCE_EXHAUSTED, "the request is larger than allowed"))

    def on_message_begin(self) -> None:
        self._path, self._headers, self._body = b"", [], b""
        self._in_headers = True

    def on_url(self, part: bytes) -> None:
        self._path += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._in_headers = False

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        headers_bytes, self._received = self._received - len(self._body), 0  # and the heads of chunks, a few
        if self._running is not None or self._wire.is_closing():  # Envoy sends nothing before it has the answer
            self._wire.abort()
            return
        if headers_bytes > MAX_METADATA_BYTES:
            self._refuse(refused(Code.RESOURCE_EXHAUSTED, "the headers are larger than allowed"))
            return
        request = HttpRequest(
            verb=self._parser.get_method(),
            path=self._path,
            headers=self._headers,
            body=self._body,
            peer=self._peer,
            last=not self._parser.should_keep_alive(),
        )
        self._running = self._loop.create_task(self._answer(request))

    def finish(self) -> None:
        """Close now, or with the answer that is under way."""
        if self._running is None:
            self._wire.close()

    def cancel(self) -> None:
        """Cancel the call under way."""
        if self._running is not None:
            self._running.cancel()

    def abort(self) -> None:
        """Close without another word."""
        self._wire.abort()

    async def _answer(self, request: HttpRequest) -> None:
        answer = await self._calls.answer(request)
        self._running = None
        if self._wire.is_closing():
            return
        self._wire.write(answer)
        if request.last or self._calls.draining:
            self._wire.close()

    def _refuse(self, refusal: Refused) -> None:
        if self._running is None and not self._wire.is_closing():
            self._wire.write(self._calls.refusal(refusal.status))
        self._wire.close()


def _bind(address: str) -> socket.socket:
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        _remove_left_behind(path)
        made = socket.socket(socket.AF_UNIX)
        try:
            made.bind(path)
        except OSError:
            made.close()
            raise
        return made
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=_BACKLOG)


def _remove_left_behind(path: str) -> None:
    """Remove the socket of a process that was killed; one that somebody listens on stays, and binding to it fails."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        except FileNotFoundError:
            pass
