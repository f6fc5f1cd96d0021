"""The one builder of servers: every contract's pipelines, and the transports that carry calls to them. Tests start
servers through this, too.

grpc.aio takes every call. Where `http_listen` is set, a second door takes unary ones that the edge has made of REST
(`http_transport.py`).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Self

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from services.common.logs import get_logger
from services.common.rpc import reflection
from services.common.rpc.call import MADE_OF_REST, MAX_MESSAGE_BYTES, MAX_METADATA_BYTES, Call, call_of
from services.common.rpc.http_listener import HttpListener
from services.common.rpc.http_transport import HttpTransport
from services.common.rpc.methods import methods_of
from services.common.rpc.pipeline import Interceptor, Pipeline, Refused
from services.common.rpc.status import DETAILS_KEY, grpc_code
from services.common.settings import ServerSettings

_OPTIONS = [
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),  # a taken port is an error, not a second listener
]

_log = get_logger(__name__)


class Server:
    """A gRPC server with health and reflection, and the second door where it is asked for."""

    def __init__(
        self,
        *,
        settings: ServerSettings,
        services: Mapping[ServiceDescriptor, object],
        interceptors: Sequence[Interceptor],
        reflected: Sequence[str] = (),
    ) -> None:
        """Bind each contract to its servicer; `reflected` names further services that reflection lists."""
        self._settings = settings
        self._grpc = grpc.aio.server(options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._grpc)
        pipelines = {
            descriptor: [
                Pipeline(
                    method=method,
                    servicer_method=getattr(servicer, method.python_name),
                    interceptors=interceptors,
                    timeout_seconds=settings.default_timeout_seconds,
                )
                for method in methods_of(descriptor)
            ]
            for descriptor, servicer in services.items()
        }
        for descriptor, each in pipelines.items():
            handlers = {pipeline.method.name.rpartition("/")[2]: _handler(pipeline) for pipeline in each}
            self._grpc.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(descriptor.full_name, handlers)])
        self._names = [descriptor.full_name for descriptor in services]
        if settings.reflection:
            names = {*self._names, *reflected, health.SERVICE_NAME, reflection.SERVICE_NAME}
            reflection.enable(names, self._grpc)
        self.port = self._grpc.add_insecure_port(settings.listen)
        self._http = (
            HttpListener(
                HttpTransport(pipeline for each in pipelines.values() for pipeline in each),
                address=settings.http_listen,
            )
            if settings.http_listen
            else None
        )

    @property
    def http_port(self) -> int:
        """The second door's port; 0 when there is none, or when it is a Unix socket."""
        return self._http.port if self._http else 0

    async def __aenter__(self) -> Self:
        """Serve, and say so to health checks."""
        await self._grpc.start()
        if self._http:
            await self._http.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        _log.info("serving", listen=self._settings.listen, port=self.port, http_port=self.http_port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Tell balancers first, then let running calls end within the grace time."""
        if self._http:
            self._http.drain()
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._settings.drain_seconds)
        grace = self._settings.stop_grace_seconds
        await asyncio.gather(self._grpc.stop(grace), *([self._http.stop(grace)] if self._http else []))


def _handler(pipeline: Pipeline) -> "grpc.RpcMethodHandler[Any, Any]":
    method = pipeline.method
    if method.client_streaming and method.server_streaming:
        raise NotImplementedError(f"{method.name}: no contract streams both ways yet")
    behaviour: Any
    if method.client_streaming:
        make, behaviour = grpc.stream_unary_rpc_method_handler, _collecting(pipeline)
    elif method.server_streaming:
        make, behaviour = grpc.unary_stream_rpc_method_handler, _streaming(pipeline)
    else:
        make, behaviour = grpc.unary_unary_rpc_method_handler, _unary(pipeline)
    return make(
        behaviour,
        request_deserializer=None,  # grpc would answer a message that does not parse as a fault of ours
        response_serializer=method.response.SerializeToString,
    )


def _unary(pipeline: Pipeline) -> Callable[[bytes, Any], Awaitable[Message | None]]:
    async def behaviour(raw: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Message | None:
        call = _call(pipeline.method.name, context)
        try:
            answer = await pipeline.unary(pipeline.decode(raw), call)
        except Refused as refused:
            await _abort(context, refused, call)
            return None
        if call.answer_metadata:
            await _send_metadata(context, call)
        return answer

    return behaviour


def _collecting(pipeline: Pipeline) -> Callable[[AsyncIterator[bytes], Any], Awaitable[Message | None]]:
    async def behaviour(raw: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> Message | None:
        call = _call(pipeline.method.name, context)
        try:
            answer = await pipeline.collect(_decoded(pipeline, raw, context), call)
        except Refused as refused:
            await _abort(context, refused, call)
            return None
        context.set_trailing_metadata(tuple(call.answer_metadata.items()))
        return answer

    return behaviour


async def _decoded(
    pipeline: Pipeline, raw: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]
) -> AsyncIterator[Message]:
    # The answer begins before the request has ended: a proxy stops counting the time that a request may take, which is
    # meant for those who dribble and would cut long uploads off.
    await context.send_initial_metadata(())
    async for message in raw:
        yield pipeline.decode(message)


def _streaming(pipeline: Pipeline) -> Callable[[bytes, Any], AsyncIterator[Message]]:
    async def behaviour(raw: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Message]:
        call = _call(pipeline.method.name, context)
        try:
            async for answer in pipeline.stream(pipeline.decode(raw), call):
                yield answer
        except Refused as refused:
            await _abort(context, refused, call)

    return behaviour


async def _send_metadata(context: grpc.aio.ServicerContext[Any, Any], call: Call) -> None:
    """Send what goes with an answer where the caller looks for it: REST takes gRPC's headers, gRPC's clients look at
    the trailers. Headers before the answer are a message of their own, so only REST has them."""
    metadata = tuple(call.answer_metadata.items())
    if MADE_OF_REST in call.metadata:
        await context.send_initial_metadata(metadata)
    else:
        context.set_trailing_metadata(metadata)


async def _abort(context: grpc.aio.ServicerContext[Any, Any], refused: Refused, call: Call) -> None:
    """End a call without an answer: gRPC sends one set of headers then, which are the trailers, too."""
    status = refused.status
    details = (DETAILS_KEY, status.SerializeToString())
    await context.abort(grpc_code(status), status.message, (*call.answer_metadata.items(), details))


def _call(method: str, context: grpc.aio.ServicerContext[Any, Any]) -> Call:
    metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    left: float | None = context.time_remaining()  # the stubs forget that there may be no deadline
    return call_of(method, metadata, peer=_address(context.peer()), seconds_left=left)


def _address(peer: str) -> str:
    """Return the address of gRPC's peer string, `ipv4:127.0.0.1:4711` or `ipv6:%5B::1%5D:4711`."""
    kind, _, rest = peer.partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return "127.0.0.1"  # a Unix socket
    return rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")
