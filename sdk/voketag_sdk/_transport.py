"""One channel to the edge, and the only way that calls leave the SDK: credentials, deadlines, retries, typed errors."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TypeVar, cast
from urllib.parse import urlsplit
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from voketag.factory.v1 import factory_pb2_grpc
from voketag.scan.v1 import scan_pb2_grpc
from voketag_sdk._status import from_rpc_error
from voketag_sdk._version import __version__
from voketag_sdk.errors import DeadlineExceeded, ResourceExhausted, VokeTagError
from voketag_sdk.retry import RetryPolicy, worth_repeating

RequestT = TypeVar("RequestT", bound=Message)
ResponseT = TypeVar("ResponseT", bound=Message)

_OPTIONS = [
    ("grpc.primary_user_agent", f"voketag-python/{__version__}"),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
]


class Transport:
    """Connects when it is first used, inside the event loop that uses it."""

    def __init__(
        self,
        *,
        url: str,
        credential: str | None,
        timeout: float,
        retry: RetryPolicy,
        ca_file: Path | None = None,
        stream_idle_seconds: float = 60.0,
    ) -> None:
        """`stream_idle_seconds`: a stream silent for so long is opened again, since connections can die unnoticed."""
        self.timeout = timeout
        self._secure, self._address = _target(url)
        if ca_file is not None and not self._secure:
            raise ValueError("ca_file is for https:// addresses")
        self._roots = ca_file.read_bytes() if ca_file else None
        self._credential = _clean(credential)
        self._retry = retry
        self._stream_idle = stream_idle_seconds

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        if self._secure:
            credentials = grpc.ssl_channel_credentials(root_certificates=self._roots)
            return grpc.aio.secure_channel(self._address, credentials, options=_OPTIONS)
        return grpc.aio.insecure_channel(self._address, options=_OPTIONS)

    @cached_property
    def factory(self) -> "factory_pb2_grpc.FactoryServiceAsyncStub":
        """Methods of FactoryService."""
        return factory_pb2_grpc.FactoryServiceStub(self._channel)

    @cached_property
    def scan(self) -> "scan_pb2_grpc.ScanServiceAsyncStub":
        """Methods of ScanService."""
        return scan_pb2_grpc.ScanServiceStub(self._channel)

    async def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        if "_channel" in self.__dict__:
            await self._channel.close()

    async def call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
        request: RequestT,
        *,
        timeout: float | None = None,
        idempotent: bool = True,
    ) -> ResponseT:
        """Make one logical call: attempts until an answer, a final error, or the deadline (`timeout` in seconds).

        A call that is not idempotent is repeated only when it was turned away: Unavailable may mean a lost answer.
        """
        deadline = monotonic() + (self.timeout if timeout is None else timeout)
        return await self._attempts(
            lambda left, more: method(request, timeout=left, metadata=more), deadline, idempotent
        )

    async def upload(
        self,
        method: "grpc.aio.StreamUnaryMultiCallable[RequestT, ResponseT]",
        requests: Callable[[], AsyncIterator[RequestT]],
        *,
        timeout: float,
    ) -> ResponseT:
        """Make one logical call with a stream of requests, which each attempt asks for anew.

        What goes wrong in making the requests, such as an OSError of the file, is raised as it is.
        """
        raised: list[Exception] = []

        async def watched() -> AsyncGenerator[RequestT]:
            try:
                async for request in requests():
                    yield request
            except Exception as error:
                raised.append(error)
                raise

        async def attempt(left: float, more: tuple[tuple[str, str], ...]) -> ResponseT:
            try:
                return await method(watched(), timeout=left, metadata=more)
            except asyncio.CancelledError:  # grpc cancels a call whose requests fail, and tells nobody why
                if raised:
                    raise raised[0] from None
                raise

        return await self._attempts(attempt, monotonic() + timeout, True)

    async def _attempts(
        self,
        attempt: Callable[[float, tuple[tuple[str, str], ...]], Awaitable[ResponseT]],
        deadline: float,
        idempotent: bool,
    ) -> ResponseT:
        request_id = str(uuid4())
        failures = 0
        while True:
            left = max(deadline - monotonic(), 0.0)
            try:
                return await attempt(left, self._metadata(request_id))
            except grpc.aio.AioRpcError as rpc_error:
                error = from_rpc_error(rpc_error, request_id=request_id)
            failures += 1
            repeatable = worth_repeating(error) and (idempotent or isinstance(error, ResourceExhausted))
            delay = self._retry.delay(failures, error)
            if not repeatable or failures >= self._retry.attempts or monotonic() + delay >= deadline:
                raise error
            await asyncio.sleep(delay)

    async def messages(
        self,
        method: "grpc.aio.UnaryStreamMultiCallable[RequestT, ResponseT]",
        request: Callable[[], RequestT],
        *,
        deadline: float | None = None,
        attempts: int | None = None,
    ) -> AsyncGenerator[ResponseT]:
        """Yield the messages of a stream, which is opened again whenever it breaks.

        `request` is asked each time and says what is still missing. `attempts` bounds the failures in a row (None for
        the policy's, 0 for no bound), `deadline` (of `time.monotonic()`) the whole.
        """
        bound = self._retry.attempts if attempts is None else attempts
        request_id = str(uuid4())
        failures = 0
        while True:
            call = method(request(), metadata=self._metadata(request_id))
            error: VokeTagError
            try:
                while True:
                    async with asyncio.timeout(_shorter(self._stream_idle, deadline)):
                        message = await call.read()
                    if message is grpc.aio.EOF:
                        return
                    failures = 0
                    yield cast("ResponseT", message)  # the stubs lose the type beside EOF
            except TimeoutError:
                error = DeadlineExceeded("the stream fell silent", request_id=request_id)
                broken = True
            except grpc.aio.AioRpcError as rpc_error:
                error = from_rpc_error(rpc_error, request_id=request_id)
                # Proxies end long streams with DEADLINE_EXCEEDED; the caller's own deadline is checked below.
                broken = worth_repeating(error) or isinstance(error, DeadlineExceeded)
            finally:
                call.cancel()
            failures += 1
            if not broken or (bound and failures >= bound):
                raise error
            delay = self._retry.delay(failures, error)
            if deadline is not None and monotonic() + delay >= deadline:
                raise DeadlineExceeded("the time given to wait is over", request_id=request_id) from error
            await asyncio.sleep(delay)

    def _metadata(self, request_id: str) -> tuple[tuple[str, str], ...]:
        fixed = (("x-request-id", request_id),)
        return fixed if self._credential is None else (("authorization", f"Bearer {self._credential}"), *fixed)


def _shorter(seconds: float, deadline: float | None) -> float:
    return seconds if deadline is None else max(min(seconds, deadline - monotonic()), 0.0)


def _clean(credential: str | None) -> str | None:
    """Return a credential without what a file or a page that it was copied from has around it.

    ValueError for a character that no credential has, and no header can carry.
    """
    if credential is None:
        return None
    stripped = credential.strip()
    if not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        raise ValueError("the API key or access token has a character that none has; copy it again")
    return stripped


def _target(url: str) -> tuple[bool, str]:
    """Return whether the address is secure, and gRPC's form of it; ValueError tells what an address looks like."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"} or parts.query:
        raise ValueError(
            f"{url!r} is not the edge's address; it looks like https://api.example.com or http://127.0.0.1:8080"
        )
    secure = parts.scheme == "https"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return secure, f"{host}:{parts.port or (443 if secure else 80)}"
