"""A call whose requests are a stream, without a transport."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.common.errors import InvalidArgument, Unauthenticated
from services.common.rpc.call import Call
from services.common.rpc.methods import AuthRule, Method
from services.common.rpc.pipeline import Interceptor, Pipeline, Refused
from voketag.factory.v1 import factory_pb2 as pb

METHOD = Method(
    name="a.Service/Collect",
    python_name="collect",
    request=pb.GetBatchRequest,
    response=pb.Batch,
    client_streaming=True,
    server_streaming=False,
    rule=AuthRule(declared=True, public=True, callers=frozenset(), scope="", services=frozenset()),
)


class Guard(Interceptor):
    """Lets nobody in, or refuses messages without an id; notes how calls end."""

    name = "guard"

    def __init__(self, *, closed: bool = False) -> None:
        self.closed = closed
        self.ends: list[str] = []

    async def before(self, method: Method, call: Call) -> None:
        if self.closed:
            raise Unauthenticated

    def message(self, method: Method, request: pb.GetBatchRequest) -> None:
        if not request.batch_id:
            raise InvalidArgument.of("batch_id", "give one")

    def after(self, method: Method, call: Call, code: str) -> None:
        self.ends.append(code)


async def _join(requests: AsyncIterator[pb.GetBatchRequest], call: Call) -> pb.Batch:
    return pb.Batch(batch_id="".join([request.batch_id async for request in requests]))


class Stream:
    """A client's messages; `read` counts those that were asked for."""

    def __init__(self, *ids: str) -> None:
        self.ids = ids
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[pb.GetBatchRequest]:
        for batch_id in self.ids:
            self.read += 1
            yield pb.GetBatchRequest(batch_id=batch_id)


def _pipeline(guard: Guard) -> Pipeline:
    return Pipeline(method=METHOD, servicer_method=_join, interceptors=[guard], timeout_seconds=0.05)


def _call(deadline: float | None = None) -> Call:
    return Call(method=METHOD.name, metadata={}, client_address="127.0.0.1", request_id="r", deadline=deadline)


async def test_a_stream_of_requests_has_one_answer() -> None:
    guard = Guard()
    answer = await _pipeline(guard).collect(aiter(Stream("a", "b", "c")), _call())
    assert answer == pb.Batch(batch_id="abc")
    assert guard.ends == ["OK"]


async def test_nothing_is_read_from_who_is_not_let_in() -> None:
    guard, stream = Guard(closed=True), Stream("a")
    with pytest.raises(Refused) as refused:
        await _pipeline(guard).collect(aiter(stream), _call())
    assert refused.value.status.code == 16
    assert stream.read == 0
    assert guard.ends == ["UNAUTHENTICATED"]


async def test_the_first_message_that_breaks_a_rule_ends_the_call() -> None:
    guard, stream = Guard(), Stream("a", "", "c")
    with pytest.raises(Refused) as refused:
        await _pipeline(guard).collect(aiter(stream), _call())
    assert refused.value.status.code == 3
    assert stream.read == 2
    assert guard.ends == ["INVALID_ARGUMENT"]


async def test_a_stream_may_take_longer_than_a_unary_call_but_not_longer_than_its_deadline() -> None:
    async def slow(seconds: float) -> AsyncIterator[pb.GetBatchRequest]:
        await asyncio.sleep(seconds)
        yield pb.GetBatchRequest(batch_id="late")

    assert await _pipeline(Guard()).collect(slow(0.1), _call()) == pb.Batch(batch_id="late")
    call = _call()
    call.deadline = asyncio.get_running_loop().time() + 0.05
    with pytest.raises(Refused) as refused:
        await _pipeline(Guard()).collect(slow(5), call)
    assert refused.value.status.code == 4
