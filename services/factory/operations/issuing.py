"""Issuing the units of a batch: chunk by chunk, each in a transaction of its own with its tiles and the cursor.

Processes make chunks (`MintingPool`) while the one before is copied; a few are under way at a time, so memory does
not grow with the batch. Whatever is killed at whatever moment, the cursor says what is written and a successor goes
on there: chunks follow from the batch's row alone, so it writes what the first would have written.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

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
from voketag_kernel.tiles import TileWriter, tiles_of_resume

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
        watch, written = _Stopwatch(), 0
        async with aclosing(self._chunks(claim.batch, facts_hash(facts))) as chunks:
            async for chunk in chunks:
                await self._write(claim, writer, chunk, watch)
                del chunk  # or it would stay in memory while the next one is waited for
                written += 1
                if written % SLICE_CHUNKS == 0 and writer.size < claim.batch.quantity and await self._yielded(claim):
                    return

    async def _yielded(self, claim: Claim) -> bool:
        """Give the batch back when others wait for their turn, and say so."""
        async with self._database.transaction() as tx:
            if not await storage.others_wait(tx, claim):
                return False
            await storage.postpone(tx, claim, timedelta(0))
            return True

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

    async def _chunks(self, batch: Batch, batch_facts_hash: bytes) -> AsyncGenerator[Chunk, None]:
        """Yield what is left of a batch, with one chunk more under way than processes can make: it waits its turn."""
        async with self._database.reading() as tx:
            imported = await import_storage.columns_of(tx, batch.batch_id) is not None
        make = self._with_serials if imported else self._minter.mint
        under_way: deque[asyncio.Task[Chunk]] = deque()
        try:
            for order in chunk_orders(batch, batch_facts_hash):
                under_way.append(asyncio.create_task(make(order)))
                if len(under_way) > self._minter.parallel:
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*under_way, return_exceptions=True)

    async def _with_serials(self, order: ChunkOrder) -> Chunk:
        """Make a chunk with the serials that a partner brought; they are read while the chunk before is copied."""
        async with self._database.reading() as tx:
            rows = await import_storage.rows_between(tx, order.batch_id, order.start, order.start + order.count)
        return await self._minter.mint(replace(order, serials=encoded(serials_in(rows))))

    async def _write(self, claim: Claim, writer: TileWriter, chunk: Chunk, watch: "_Stopwatch") -> None:
        batch = claim.batch
        tiles = list(writer.append(chunk.leaf_hashes, chunk.tile_roots))
        last = writer.size == batch.quantity
        async with self._database.transaction() as tx:
            # First the cursor: it locks the row, and without the lease nothing else happens.
            await storage.advance(tx, claim, start=chunk.start, count=chunk.count, seconds=watch.lap())
            if not last:
                await storage.commit_lazily(tx)
            await storage.copy_units(tx, chunk.rows)
            if last:
                tiles += writer.finish()
            await tile_storage.add(tx, batch.batch_id, tiles)
            if last:
                await storage.finish(tx, claim, writer.root(), seconds=watch.lap())
                await outbox.note(tx, await batch_storage.hold_any(tx, batch.batch_id), "batch.issued")
        _units_issued.inc(chunk.count)


class _Stopwatch:
    """Seconds from one lap to the next."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the last lap, and begin another."""
        since, self._since = self._since, time.monotonic()
        return self._since - since
