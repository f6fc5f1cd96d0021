"""The second transport: gRPC's messages over HTTP/1.1, for unary calls that the edge has made of REST.

A call is `POST /<package.Service>/<Method>` with one gRPC frame as its body (a zero, four bytes of length, the
message). The answer is a frame in a chunk with `grpc-status` in the trailers, or no body and the status in the headers:
what gRPC sends over HTTP/2, line for line, so that Envoy's transcoder treats both alike. Connections are the business
of `http_listener.py`. From the `Call` on everything is the same code as behind grpc.aio.

Why a second transport: HTTP/1.1 costs both ends less CPU (bench/results/scan_edge.json has figures). Who speaks gRPC
always reaches grpc.aio: streams and multiplexing need HTTP/2.

Alternatives considered: Envoy's `grpc_http1_reverse_bridge`, which writes frames and trailers for a plain HTTP/1.1
server. In Envoy 1.40 it adds the trailers where the transcoder, which buffers unary answers, never sees them, and the
call hangs; and it replaces what Envoy answers itself by an error of its own. JSON made here instead of in Envoy: a
second transcoder, which would differ from the first.
"""

import asyncio
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from struct import Struct
from urllib.parse import quote

from google.rpc import status_pb2

from services.common.errors import Code
from services.common.rpc.call import MAX_MESSAGE_BYTES, Call, call_of
from services.common.rpc.pipeline import Pipeline, Refused
from services.common.rpc.status import DETAILS_KEY

HEALTH_PATH = b"/health"
"""Answers GET: 200 while the process serves, 503 once it stops."""

Headers = list[tuple[bytes, bytes]]
"""Names in lower case."""

_FRAME = Struct(">BI")  # compressed or not, length
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n"
_CLOSE = b"connection: close\r\n"
_NO_METADATA = frozenset({b"host", b"content-type", b"content-length", b"transfer-encoding", b"te", b"connection"})
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_LONGEST_TIMEOUT = 9  # eight digits and a unit
_PLAIN = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


@dataclass(slots=True)
class HttpRequest:
    """A whole request."""

    verb: bytes
    path: bytes
    headers: Headers
    body: bytes
    peer: str
    """The other end's address."""
    last: bool
    """The other end wants the connection closed after the answer."""


class HttpTransport:
    """Carries calls to pipelines."""

    def __init__(self, pipelines: Iterable[Pipeline]) -> None:
        """Take the unary methods; those that stream are for grpc.aio alone."""
        unary = [each for each in pipelines if not (each.method.client_streaming or each.method.server_streaming)]
        self._pipelines = {f"/{each.method.name}".encode(): each for each in unary}
        self.draining = False

    def drain(self) -> None:
        """Say on every answer from now on that its connection ends with it, and to health checks that we stop."""
        self.draining = True

    async def answer(self, request: HttpRequest) -> bytes:
        """Return the answer to a request, as it goes onto the wire."""
        if request.path == HEALTH_PATH:
            return self._health()
        call: Call | None = None
        try:
            pipeline = self._pipelines.get(request.path)
            if pipeline is None or request.verb != b"POST":
                raise refused(Code.UNIMPLEMENTED, "no such method on this transport")
            metadata = _metadata(request.headers)
            call = call_of(
                pipeline.method.name,
                metadata,
                peer=request.peer,
                seconds_left=_seconds_left(metadata.get("grpc-timeout")),
            )
            message = await pipeline.unary(pipeline.decode(_unframed(request.body)), call)
        except Refused as refusal:
            return self.refusal(refusal.status, call)
        except asyncio.CancelledError:  # the grace time has ended, or the edge has given up and nobody reads this
            return self.refusal(status_pb2.Status(code=Code.CANCELLED.value, message="the server stops"), call)
        frame = message.SerializeToString()
        return b"%b%btransfer-encoding: chunked\r\n\r\n%x\r\n%b%b\r\n0\r\ngrpc-status: 0\r\n\r\n" % (
            _HEAD,
            self._more(call),
            len(frame) + _FRAME.size,
            _FRAME.pack(0, len(frame)),
            frame,
        )

    def refusal(self, status: status_pb2.Status, call: Call | None = None) -> bytes:
        """Return the answer that refuses a call: the message percent-encoded, details without padding, as gRPC does."""
        message = quote(status.message, safe=_PLAIN).encode()
        told = b"grpc-status: %d\r\ngrpc-message: %b\r\n" % (status.code, message)
        if status.details:
            details = b64encode(status.SerializeToString()).rstrip(b"=")
            told += b"%b: %b\r\n" % (DETAILS_KEY.encode(), details)
        return b"%b%b%bcontent-length: 0\r\n\r\n" % (_HEAD, told, self._more(call))

    def _more(self, call: Call | None) -> bytes:
        more = _CLOSE if self.draining else b""
        if call is not None and call.answer_metadata:
            more += "".join([f"{key}: {value}\r\n" for key, value in call.answer_metadata.items()]).encode("ascii")
        return more

    def _health(self) -> bytes:
        status, more = (b"503 Service Unavailable", _CLOSE) if self.draining else (b"200 OK", b"")
        return b"HTTP/1.1 %b\r\n%bcontent-length: 0\r\n\r\n" % (status, more)


def refused(code: Code, message: str) -> Refused:
    """Return a refusal of the transport itself, without details, as grpc's own are."""
    return Refused(status_pb2.Status(code=code.value, message=message))


def _metadata(headers: Headers) -> Mapping[str, str]:
    """Return headers as gRPC gives them: the last of each name, UTF-8 or else Latin-1."""
    try:
        return {name.decode(): value.decode() for name, value in headers if name not in _NO_METADATA}
    except UnicodeDecodeError:
        return {name.decode("latin-1"): _text(value) for name, value in headers if name not in _NO_METADATA}


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _unframed(body: bytes) -> bytes:
    """Return the message of the request's one frame."""
    if len(body) < _FRAME.size or _FRAME.unpack_from(body) != (0, len(body) - _FRAME.size):
        raise refused(Code.INTERNAL, "the request is not one uncompressed gRPC frame")
    if len(body) > MAX_MESSAGE_BYTES:
        raise refused(Code.RESOURCE_EXHAUSTED, "the request is larger than allowed")
    return body[_FRAME.size :]


def _seconds_left(text: str | None) -> float | None:
    """Return gRPC's deadline; the edge lets none through that has another form."""
    if text is None:
        return None
    number, unit = text[:-1], text[-1:]
    if len(text) > _LONGEST_TIMEOUT or not (number.isascii() and number.isdecimal()) or unit not in _SECONDS:
        raise refused(Code.INTERNAL, "grpc-timeout is not well formed")
    return int(number) * _SECONDS[unit]
