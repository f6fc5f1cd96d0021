"""Writes that happen once, however often they are asked for.

A write and the record of its answer are one transaction, so that no crash parts them. The answer is kept as the bytes
that were sent: a replay says what the first call said, whatever happened since.

The record is made last. A request that was answered before is done again, finds the record, and is undone: the price of
a repeat, which is rare, is paid by the repeat alone. Two equal requests at once, in whatever processes: the second one
waits for the first at the latest at the record, and is then undone or, when the first one failed, the one that counts.
A process that is killed takes its transaction with it: its request_id is free, and nothing was done. Writes of files
look for the record first, since doing one again takes long. Alternatives considered: a claim before the write, filled
in after it (two statements more in every write instead of one, a third of a small write's time); a claim that is
committed first (a killed process would block its id until somebody decides that it is dead, and could be run twice
when that was wrong).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from google.protobuf.message import Message

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import ConcurrentUpdate, IdempotencyConflict, Unavailable
from services.common.rpc.call import Call
from services.common.rpc.methods import methods_of
from services.factory.storage import idempotency as storage
from voketag.factory.v1 import factory_pb2

T = TypeVar("T")
ResponseT = TypeVar("ResponseT", bound=Message)
_RESPONSES = {
    method.name: method.response for method in methods_of(factory_pb2.DESCRIPTOR.services_by_name["FactoryService"])
}


class WriteRequest(Protocol):
    """A request of a write: a message with a `request_id`, empty when the caller does without idempotency."""

    request_id: str

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes: ...  # noqa: N802 - protobuf's name


class Writes:
    """Runs writes, each in a transaction of its own, at most once a `request_id`."""

    def __init__(self, *, database: Database, clock: Clock, wait_seconds: float) -> None:
        self._database = database
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._turns: dict[storage.WriteKey, _Turn] = {}

    async def once(
        self,
        call: Call,
        request: WriteRequest,
        write: Callable[[Transaction], Awaitable[T]],
        answer: Callable[[T], ResponseT],
        *,
        remembered: Callable[[ResponseT], ResponseT] = lambda response: response,
        file_hash: bytes = b"",
    ) -> ResponseT:
        """Run `write` and return its answer, or the first answer to the same request.

        `remembered` says what a replay returns instead of the answer, for answers that hold a secret; `file_hash` is of
        what came with the request and is not in it. Raises IdempotencyConflict when the tenant used the request_id for
        another request of the method, ConcurrentUpdate when the same request still runs elsewhere after a few seconds.
        """
        if not request.request_id:
            async with self._database.transaction() as tx:
                return answer(await write(tx))
        key = storage.WriteKey(call.caller.tenant, call.method, UUID(request.request_id))
        request_hash = _hash(request, file_hash)

        def replay(first: storage.FirstAnswer) -> ResponseT:
            if first.request_hash != request_hash:
                raise IdempotencyConflict
            return cast(ResponseT, _RESPONSES[call.method].FromString(first.response))

        async with self._turn(key):
            if file_hash and (first := await self._first(key)) is not None:
                return replay(first)
            try:
                async with self._database.transaction() as tx:
                    response = answer(await write(tx))
                    kept = remembered(response).SerializeToString()
                    if await storage.keep(tx, key, request_hash=request_hash, response=kept, now=self._clock.now()):
                        return response
                    raise _Repeated
            except Unavailable:
                raise
            except Exception:
                # Done again, or refused because it was done before (its SKU is taken): the first answer counts.
                if (first := await self._first(key)) is None:
                    raise
                return replay(first)

    async def _first(self, key: storage.WriteKey) -> storage.FirstAnswer | None:
        async with self._database.reading() as tx:
            return await storage.first_answer(tx, key)

    @asynccontextmanager
    async def _turn(self, key: storage.WriteKey) -> AsyncIterator[None]:
        """Let equal requests of this process run one by one: those that wait hold no connection of the pool."""
        turn = self._turns.setdefault(key, _Turn())
        turn.wanted_by += 1
        try:
            try:
                async with asyncio.timeout(self._wait_seconds):
                    await turn.lock.acquire()
            except TimeoutError as error:
                raise ConcurrentUpdate("the same request still runs; try again") from error
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.wanted_by -= 1
            if not turn.wanted_by:
                del self._turns[key]


class _Repeated(Exception):
    """Somebody has answered the request already."""


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted_by: int = 0


def _hash(request: Any, file_hash: bytes) -> bytes:
    plain = type(request)()
    plain.CopyFrom(request)
    plain.ClearField("request_id")
    return sha256(plain.SerializeToString(deterministic=True) + file_hash).digest()
