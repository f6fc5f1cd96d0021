"""The platform as an SDK meets it on a bad day: a gRPC server that answers what a test scripts, and takes notes.

To the SDK the platform is an outside party; its answers here are made of the contracts' own messages. How the SDK gets
on with the real platform is seen in test_sdk_against_the_stack.py.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from voketag.factory.v1 import factory_pb2_grpc
from voketag.scan.v1 import scan_pb2_grpc


@dataclass(frozen=True)
class Refusal:
    """A call that ends with an error: by its reason as the platform does, or bare as a broken connection does."""

    code: grpc.StatusCode
    reason: str = ""
    retry_seconds: float | None = None

    def status(self) -> status_pb2.Status:
        details: list[Message] = [error_details_pb2.ErrorInfo(reason=self.reason, domain="voketag")]
        if self.retry_seconds is not None:
            delay = duration_pb2.Duration()
            delay.FromMilliseconds(int(self.retry_seconds * 1000))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        packed = [any_pb2.Any() for _ in details]
        for box, detail in zip(packed, details, strict=True):
            box.Pack(detail)
        return status_pb2.Status(code=self.code.value[0], message="scripted", details=packed)


@dataclass(frozen=True)
class Seen:
    """One attempt of a call."""

    method: str
    request: Any
    metadata: dict[str, Any]
    seconds_left: float | None


Step = Message | Refusal | Callable[[Any], Any]
"""What to answer: a message, an error, or a coroutine function of the request. A stream answers with a list of them."""


@dataclass
class PlatformDouble:
    """Answers each method with the next step of its script; the last step stays."""

    port: int = 0
    script: dict[str, list[Any]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next_step(self, method: str, request: Any, context: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        self.seen.append(Seen(method, request, metadata, context.time_remaining()))
        steps = self.script[method]
        return steps.pop(0) if len(steps) > 1 else steps[0]


async def _give(step: Step, request: Any, context: Any) -> Message:
    if isinstance(step, Refusal):
        metadata = (("grpc-status-details-bin", step.status().SerializeToString()),) if step.reason else ()
        await context.abort(step.code, "scripted", metadata)
    if isinstance(step, Message):
        return step
    assert callable(step)
    answer: Message = await step(request)
    return answer


@asynccontextmanager
async def open_double() -> AsyncIterator[PlatformDouble]:
    """Serve on a free port of the loopback."""
    double = PlatformDouble()
    server = grpc.aio.server()
    for name, contract in (("factory", factory_pb2_grpc), ("scan", scan_pb2_grpc)):
        service = f"{name.capitalize()}Service"
        servicer = _servicer(getattr(contract, f"{service}Servicer"), double)
        getattr(contract, f"add_{service}Servicer_to_server")(servicer, server)
    double.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield double
    await server.stop(None)


def _servicer(kind: type, double: PlatformDouble) -> object:
    def unary(name: str) -> Callable[..., Any]:
        async def answer(_: object, request: Any, context: Any) -> Message:
            return await _give(double.next_step(name, request, context), request, context)

        return answer

    def stream(name: str) -> Callable[..., Any]:
        async def answer(_: object, request: Any, context: Any) -> AsyncIterator[Message]:
            for step in double.next_step(name, request, context):
                yield await _give(step, request, context)

        return answer

    streams = {"WatchBatch", "ExportUnits"}
    methods = [name for name in vars(kind) if not name.startswith("_")]
    return type(kind.__name__, (kind,), {name: (stream if name in streams else unary)(name) for name in methods})()
