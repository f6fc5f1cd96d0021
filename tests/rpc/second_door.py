"""Calling a server's second door as Envoy does: gRPC's messages over HTTP/1.1, one request a connection unless told
otherwise. Refusals are those that gRPC's own stubs raise, so that tests need not know which transport they are on."""

import asyncio
from base64 import b64decode
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import Message


@dataclass(frozen=True)
class Answer:
    """What came back: status of HTTP, headers (lower case), body without its chunks, trailers."""

    status: int
    headers: dict[str, str]
    body: bytes
    trailers: dict[str, str]

    @property
    def grpc_status(self) -> int:
        """The status, from the trailers or the headers; exactly one of them has it."""
        (status,) = [each["grpc-status"] for each in (self.headers, self.trailers) if "grpc-status" in each]
        return int(status)


def request(path: str, body: bytes = b"", headers: Mapping[str, str] = {}, *, verb: str = "POST") -> bytes:
    """Return a request as Envoy writes it."""
    lines = [f"{verb} {path} HTTP/1.1", "host: scan", "content-type: application/grpc", "te: trailers"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["transfer-encoding: chunked", "", ""]
    return "\r\n".join(lines).encode() + b"%x\r\n%b\r\n" % (len(body), body) * bool(body) + b"0\r\n\r\n"


def frame(message: bytes) -> bytes:
    """Return a message in gRPC's frame."""
    return b"\0" + len(message).to_bytes(4) + message


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one answer."""
    start, headers = await _head(reader)
    body, trailers = b"", {}
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        trailers = await _fields(reader)
    else:
        body = await reader.readexactly(int(headers["content-length"]))
    return Answer(int(start.split()[1]), headers, body, trailers)


@asynccontextmanager
async def connected(port: int) -> Any:
    """Connect; closed at the end of the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def ask(port: int, raw: bytes) -> Answer:
    """Send bytes and read one answer."""
    async with connected(port) as (reader, writer):
        writer.write(raw)
        return await asyncio.wait_for(read_answer(reader), 10)


async def call(port: int, method: str, message: Message, answer: type[Any], headers: Mapping[str, str]) -> Any:
    """Call a method, `<package.Service>/<Method>`; AioRpcError when it is refused."""
    got = await ask(port, request(f"/{method}", frame(message.SerializeToString()), headers))
    assert (got.status, got.headers["content-type"]) == (200, "application/grpc")
    if got.grpc_status:
        raise _error(got)
    assert got.body[:5] == frame(got.body[5:])[:5]
    return answer.FromString(got.body[5:])


def _error(got: Answer) -> grpc.aio.AioRpcError:
    (code,) = [code for code in grpc.StatusCode if code.value[0] == got.grpc_status]
    details = got.headers.get("grpc-status-details-bin")
    told = [(name, value) for name, value in got.headers.items() if not name.startswith("grpc-")]
    if details:
        told.append(("grpc-status-details-bin", b64decode(details + "=" * (-len(details) % 4))))
    return grpc.aio.AioRpcError(
        code, grpc.aio.Metadata(), grpc.aio.Metadata(*told), details=unquote(got.headers["grpc-message"])
    )


async def _head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    return (await reader.readline()).decode(), await _fields(reader)


async def _fields(reader: asyncio.StreamReader) -> dict[str, str]:
    fields = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(": ")
        assert name not in fields
        fields[name] = value
    return fields
