"""Calls to other services: a channel that reconnects, a token that names us, deadlines, and our own errors back."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from opentelemetry import propagate

from services.common.rpc.call import MAX_MESSAGE_BYTES, current_call
from services.common.rpc.status import from_rpc_error
from services.common.tokens import ServiceTokens

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]

ResponseT = TypeVar("ResponseT", bound=Message)


@asynccontextmanager
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to `host:port`; it connects when it is first used, and again whenever it must."""
    async with grpc.aio.insecure_channel(address, options=_OPTIONS) as opened:
        yield opened


class Peer:
    """Another service, called as this one."""

    def __init__(self, *, name: str, tokens: ServiceTokens) -> None:
        self._name = name
        self._tokens = tokens

    async def stream(
        self, stub: Callable[..., grpc.aio.UnaryStreamCall[Any, ResponseT]], request: Message
    ) -> AsyncIterator[ResponseT]:
        """Call one method that answers with a stream; raises as `call` does. The call ends with the iteration."""
        answers = stub(request, metadata=self._metadata())
        try:
            async for answer in answers:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error
        finally:
            answers.cancel()

    async def call(
        self,
        stub: Callable[..., grpc.aio.UnaryUnaryCall[Any, ResponseT]],
        request: Message,
        *,
        timeout_seconds: float = 10,
    ) -> ResponseT:
        """Call one method; raises the error that the service answered with, or Unavailable."""
        try:
            return await stub(request, timeout=timeout_seconds, metadata=self._metadata())
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        metadata = {"authorization": f"Bearer {self._tokens.token(self._name)}"}
        if (call := current_call.get()) is not None:
            metadata["x-request-id"] = call.request_id
        propagate.inject(metadata)
        return tuple(metadata.items())
