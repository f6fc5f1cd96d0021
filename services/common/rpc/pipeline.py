"""The one path of every call: interceptors before, the servicer, interceptors after, errors translated on the way
out.

A transport (`server.py` for grpc.aio, `http_transport.py`) makes a `Call`, hands it over with the request message, and
gets a message, a stream of messages, or `Refused` with the Status to send. Interceptors are hooks, not wrappers: plain
calls cost the hot path least, and one hook serves unary and streaming methods alike. Alternatives considered:
grpc.aio's own interceptors (they see a context, not a call, and bind us to that transport), nested wrappers
(each would be written twice, for unary calls and for streams).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2

from services.common import errors
from services.common.errors import Code, InvalidArgument, VokeTagError
from services.common.logs import get_logger
from services.common.rpc.call import Call, current_call
from services.common.rpc.methods import Method
from services.common.rpc.status import to_status

_LOOK_AGAIN_SECONDS = 0.4  # with what a key is believed for, within the second in which its end is obeyed

_log = get_logger(__name__)


class Interceptor:
    """One concern around every call. `name` says which, in the list of `interceptors.py`."""

    name: str

    async def before(self, method: Method, call: Call) -> None:
        """Look at a call before anything of it is read; raise to refuse it."""

    def message(self, method: Method, request: Message) -> None:
        """Look at a message before the servicer does: the request, or each of a stream; raise to refuse the call."""

    async def again(self, method: Method, call: Call) -> None:
        """Look at a call again while its stream goes on; raise to end it before the next message."""

    def after(self, method: Method, call: Call, code: str) -> None:
        """Take note of how a call ended: the name of its gRPC status code."""


class Refused(Exception):
    """A call that ends with an error Status."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


class Pipeline:
    """Runs one method's calls."""

    def __init__(
        self,
        *,
        method: Method,
        servicer_method: Callable[..., Any],
        interceptors: Sequence[Interceptor],
        timeout_seconds: float,
    ) -> None:
        self.method = method
        self._run = servicer_method
        self._before = [i.before for i in interceptors if _implements(i, "before")]
        self._message = [i.message for i in interceptors if _implements(i, "message")]
        self._again = [i.again for i in interceptors if _implements(i, "again")]
        self._after = [i.after for i in reversed(interceptors) if _implements(i, "after")]
        self._timeout = timeout_seconds

    def decode(self, raw: bytes) -> Message:
        """Return the request that a transport received, or raise Refused for what is none."""
        try:
            return self.method.request.FromString(raw)
        except DecodeError as error:
            name = self.method.request.DESCRIPTOR.full_name
            refusal = InvalidArgument(f"not a message of type {name}, with UTF-8 in its texts")
            raise Refused(to_status(refusal)) from error

    async def unary(self, request: Message, call: Call) -> Message:
        """Run a unary call."""
        left = call.seconds_left()
        seconds = self._timeout if left is None else min(left, self._timeout)
        return await self._answer(self._single(request, call), call, seconds)

    async def collect(self, requests: AsyncIterator[Message], call: Call) -> Message:
        """Run a call whose requests are a stream. It may take as long as the caller allows."""
        return await self._answer(self._collected(requests, call), call, call.seconds_left())

    async def _single(self, request: Message, call: Call) -> Message:
        await self._admit(call)
        self._look_at(request)
        answer: Message = await self._run(request, call)
        return answer

    async def _collected(self, requests: AsyncIterator[Message], call: Call) -> Message:
        await self._admit(call)
        answer: Message = await self._run(self._looked_at(requests, call), call)
        return answer

    async def _admit(self, call: Call) -> None:
        if (left := call.seconds_left()) is not None and left <= 0:
            raise errors.DeadlineExceeded
        for before in self._before:
            await before(self.method, call)

    def _look_at(self, request: Message) -> None:
        for message in self._message:
            message(self.method, request)

    async def _looked_at(self, requests: AsyncIterator[Message], call: Call) -> AsyncIterator[Message]:
        looked = time.monotonic()
        async for request in requests:
            looked = await self._look_again(call, looked)
            self._look_at(request)
            yield request

    async def _look_again(self, call: Call, looked: float) -> float:
        """Let a stream that was looked at some time ago be looked at again; return when it was."""
        now = time.monotonic()
        if now < looked + _LOOK_AGAIN_SECONDS:
            return looked
        for again in self._again:
            await again(self.method, call)
        return now

    async def _answer(self, answering: Awaitable[Message], call: Call, seconds: float | None) -> Message:
        current_call.set(call)
        code = "INTERNAL"  # unless it ends otherwise
        try:
            async with asyncio.timeout(seconds):
                answer = await answering
            code = "OK"
            return answer
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                code = "CANCELLED"
                raise
            # Something that the servicer waited for was cancelled, not this call: its caller waits for an answer.
            raise Refused(_status(RuntimeError("a task that the call needs was cancelled"))) from error
        except Exception as error:
            status = _status(error)
            code = Code(status.code).name
            raise Refused(status) from error
        finally:
            for after in self._after:
                after(self.method, call, code)

    async def stream(self, request: Message, call: Call) -> AsyncIterator[Message]:
        """Run a call that answers with a stream. It may take as long as the caller allows."""
        current_call.set(call)
        code = "OK"
        try:
            await self._admit(call)
            self._look_at(request)
            looked = time.monotonic()
            async with aclosing(self._run(request, call)) as answers:
                async for answer in answers:
                    looked = await self._look_again(call, looked)
                    yield answer
        except (asyncio.CancelledError, GeneratorExit):
            code = "CANCELLED"
            raise
        except Exception as error:
            status = _status(error)
            code = Code(status.code).name
            raise Refused(status) from error
        finally:
            for after in self._after:
                after(self.method, call, code)


def _implements(interceptor: Interceptor, hook: str) -> bool:
    return getattr(type(interceptor), hook) is not getattr(Interceptor, hook)


def _status(error: Exception) -> status_pb2.Status:
    if isinstance(error, Refused):  # a message of a client's stream that does not parse
        return error.status
    if isinstance(error, VokeTagError):
        return to_status(error)
    if isinstance(error, TimeoutError):
        return to_status(errors.DeadlineExceeded())
    _log.error("unexpected error", exc_info=error)
    return to_status(VokeTagError("internal error"))
