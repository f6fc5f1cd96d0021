"""Issuing the units of a batch: chunk by chunk, each in a transaction of its own with its tiles and the cursor.

Processes make chunks (`MintingPool`) while those before are copied, two at a time: PostgreSQL takes the rows of one
while it stores and commits the other. A few are under way at a time, so memory does not grow with the batch. Whatever
is killed at whatever moment, the cursor says what is written and a successor goes on there: chunks follow from the
batch's row alone, so it writes what the first would have written.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol, TypeVar

import rfc8785
from prometheus_client import Counter

from services.common.database import Database
from services.factory.model.batches import Batch, BatchState
from services.factory.model.imports import encoded, serials_in
from services.factory.model.issuing import SLICE_CHUNKS, Chunk, ChunkOrder, Claim, chunk_orders, facts_of
from services.factory.operations import outbox
from services.factory.storage import batches as batch_storage
from services.factory.storage import imports as import_storage
from services.factory.storage import issuing as storage
from services.factory.storage import tiles as tile_storage
from voketag_kernel.receipts import facts_hash
from voketag_kernel.tiles import Tile, TileWriter, tiles_of_resume

ResultT = TypeVar("ResultT")
_WRITES_AHEAD = 1
_units_issued = Counter("voketag_factory_units_issued", "Units written by this worker.")


class Minter(Protocol):
    """Makes chunks somewhere else, several at a time."""

    parallel: int

    async def mint(self, order: ChunkOrder) -> Chunk:
        """Make one chunk. Raises SigningKeyExhausted when the key's secret is not here."""
        ...


class Issuer:
    """Issues the batches that a worker holds."""

    def __init__(self, *, database: Database, minter: Minter) -> None:
        self._database = database
        self._minter = minter

    async def issue(self, claim: Claim) -> None:
        """Write what is left of a claimed batch, or a slice of it while others wait.

        Raises LeaseLost when another worker, a pause or a cancellation took it.
        """
        facts = await self._begin(claim)
        writer = await self._writer(claim)
        async with aclosing(_in_order(self._writes(claim, writer, facts_hash(facts)), ahead=_WRITES_AHEAD)) as written:
            async for count in written:
                _units_issued.inc(count)
        if writer.size < claim.batch.quantity:
            async with self._database.transaction() as tx:
                await storage.postpone(tx, claim, timedelta(0))

    async def _begin(self, claim: Claim) -> str:
        """Return the batch's facts, frozen by the change to ISSUING: the product may change under way, they may not."""
        batch = claim.batch
        if batch.state is BatchState.ISSUING and batch.facts is not None:
            return batch.facts
        async with self._database.transaction() as tx:
            source = await storage.read_facts_source(tx, claim)
            facts = batch.facts or rfc8785.dumps(facts_of(batch, source)).decode()
            await storage.begin(tx, claim, facts)
        return facts

    async def _writer(self, claim: Claim) -> TileWriter:
        written = claim.batch.issued_count
        if not written:
            return TileWriter()
        async with self._database.reading() as tx:
            stored = await tile_storage.read(tx, claim.batch.batch_id, tiles_of_resume(written))
        return TileWriter.resume(written, lambda level, index: stored[level, index])

    async def _writes(
        self, claim: Claim, writer: TileWriter, batch_facts_hash: bytes
    ) -> AsyncGenerator[Coroutine[Any, Any, int], None]:
        """Yield the writing of chunk after chunk; at the end of a slice none any more when others wait."""
        batch, watch, turn = claim.batch, _Stopwatch(), asyncio.Event()
        turn.set()
        # One chunk more is under way than processes can make: it waits its turn.
        making = _in_order(self._makings(batch, batch_facts_hash), ahead=self._minter.parallel)
        async with aclosing(making) as chunks:
            made = 0
            async for chunk in chunks:
                full = list(writer.append(chunk.leaf_hashes, chunk.tile_roots))
                last = _End(writer.root(), writer.finish()) if writer.size == batch.quantity else None
                turn, before = asyncio.Event(), turn
                yield self._write(claim, chunk, full, last, before=before, done=turn, watch=watch)
                del chunk  # or it would stay in memory while the next one is waited for
                made += 1
                if made % SLICE_CHUNKS == 0 and last is None and await self._others_wait(claim):
                    return

    async def _others_wait(self, claim: Claim) -> bool:
        async with self._database.reading() as tx:
            return await storage.others_wait(tx, claim)

    async def _makings(self, batch: Batch, batch_facts_hash: bytes) -> AsyncGenerator[Coroutine[Any, Any, Chunk], None]:
        """Yield the making of what is left of a batch, chunk after chunk."""
        async with self._database.reading() as tx:
            imported = await import_storage.columns_of(tx, batch.batch_id) is not None
        make = self._with_serials if imported else self._minter.mint
        for order in chunk_orders(batch, batch_facts_hash):
            yield make(order)

    async def _with_serials(self, order: ChunkOrder) -> Chunk:
        """Make a chunk with the serials that a partner brought; they are read while the chunk before is copied."""
        async with self._database.reading() as tx:
            rows = await import_storage.rows_between(tx, order.batch_id, order.start, order.start + order.count)
        return await self._minter.mint(replace(order, serials=encoded(serials_in(rows))))

    async def _write(
        self,
        claim: Claim,
        chunk: Chunk,
        tiles: Sequence[Tile],
        end: "_End | None",
        *,
        before: asyncio.Event,
        done: asyncio.Event,
        watch: "_Stopwatch",
    ) -> int:
        """Write a chunk, and the batch's end with the last one; return how many units that were.

        Its rows may be on their way while the chunk `before` is written. Its cursor has to wait for that one's commit:
        whoever moves it locks the row and shows the lease, so that nothing stays of a worker that has lost it.
        """
        batch_id = claim.batch.batch_id
        async with self._database.transaction() as tx:
            if not end:
                await storage.commit_lazily(tx)
            await storage.copy_units(tx, chunk.rows)
            await before.wait()
            await storage.advance(tx, claim, start=chunk.start, count=chunk.count, seconds=watch.lap())
            await tile_storage.add(tx, batch_id, [*tiles, *(end.tiles if end else ())])
            if end:
                await storage.finish(tx, claim, end.root)
                await outbox.note(tx, await batch_storage.hold_any(tx, batch_id), "batch.issued")
        done.set()
        return chunk.count


@dataclass(frozen=True, slots=True)
class _End:
    """What a whole batch comes to: its root, and the tiles that are not full."""

    root: bytes
    tiles: Sequence[Tile]


async def _in_order(
    jobs: AsyncGenerator[Coroutine[Any, Any, ResultT], None], *, ahead: int
) -> AsyncGenerator[ResultT, None]:
    """Yield what jobs return, in their order, with `ahead` more of them under way.

    When there is no next job because of an error, those under way still end before it is raised. When a job fails, or
    nobody wants more, they are cancelled.
    """
    under_way: deque[asyncio.Task[ResultT]] = deque()
    error: Exception | None = None
    try:
        async with aclosing(jobs):
            while error is None:
                try:
                    under_way.append(asyncio.create_task(await anext(jobs)))
                except Exception as no_more:
                    error = no_more
                else:
                    if len(under_way) > ahead:
                        yield await under_way.popleft()
        while under_way:
            yield await under_way.popleft()
        if not isinstance(error, StopAsyncIteration):
            raise error
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


class _Stopwatch:
    """Seconds from one lap to the next."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the last lap, and begin another."""
        since, self._since = self._since, time.monotonic()
        return self._since - since
