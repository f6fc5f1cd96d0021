"""A partner's endpoint on loopback: answers as it is told, and keeps what came."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    """One request."""

    line: str
    headers: dict[str, str]
    body: bytes


def answering(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer with a status and close."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} x", f"content-length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()

    return answer


@dataclass
class Receiver:
    """What came so far; `answer` says how the next request is answered."""

    url: str
    answer: Answer = field(default_factory=lambda: answering(204))
    requests: list[Received] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    handlers: set[asyncio.Task[None] | None] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection with one request."""
        self.handlers.add(asyncio.current_task())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append(Received(head[0], headers, body))
            await self.answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the caller went away, or the test is over
        finally:
            self.at_once -= 1
            self.handlers.discard(asyncio.current_task())
            writer.close()

    @property
    def ids(self) -> list[str]:
        """The webhook-ids, in the order in which they came."""
        return [request.headers["webhook-id"] for request in self.requests]


@asynccontextmanager
async def receiving(*, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Receiver]:
    """Receive on a port of the loopback."""
    receiver = Receiver(url="")
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port, ssl=tls)
    scheme = "https" if tls else "http"
    receiver.url = f"{scheme}://localhost:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        server.close()
        for handler in list(receiver.handlers):
            assert handler is not None
            handler.cancel()
