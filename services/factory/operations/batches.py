"""What is done with batches on request: here they are ordered and asked about, the worker issues and anchors them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from services.common.database import Database, Transaction
from services.common.errors import InvalidArgument, RootConflict, SandboxLimit, WrongBatchState
from services.common.ids import uuid7
from services.common.queue import Queue
from services.factory.model.batches import (
    CANCELLABLE,
    PAUSABLE,
    RETRIES,
    AnchorOutcome,
    Batch,
    BatchFilter,
    BatchOrder,
    BatchState,
)
from services.factory.model.dead_letters import PLATFORM, DeadLetter, Resolution
from services.factory.model.listing import NEWEST_FIRST, Order, Position
from services.factory.model.page import Page
from services.factory.model.settings import SANDBOX_QUANTITY
from services.factory.operations import outbox
from services.factory.operations.anchoring import take_outcome
from services.factory.operations.dead_letters import settle
from services.factory.storage import batches as storage
from services.factory.storage import estimates, settings
from services.factory.storage import tiles as tile_storage
from voketag_kernel.tiles import TileWriter, tiles_of_resume

QUEUE_NAME = "voketag:factory"
"""The queue that the server nudges and the worker listens to."""
JOB = "look_for_batches"
"""The job that workers run when a batch is due."""


class Batches:
    """Batches of one tenant at a time."""

    def __init__(self, *, database: Database, queue: Queue, signing_key_id: int, chains: Sequence[str]) -> None:
        """`chains` are the names that an order may have.

        A setting, not Anchor's answer: an order must not need Anchor, and a wrong name must not wait until a million
        units are issued to be told. A name that the setting has and Anchor has not is told then: `anchoring.Submitter`.
        """
        self._database = database
        self._queue = queue
        self._signing_key_id = signing_key_id
        self._chains = chains

    async def create(
        self, tx: Transaction, tenant_id: UUID, order: BatchOrder, *, batch_id: UUID | None = None
    ) -> Batch:
        """Order a batch: its row, its range of numbers and its event are one transaction.

        Holds the signing key's row until the transaction ends: what takes long comes before, and brings its `batch_id`.
        Raises InvalidArgument, ProductNotFound, ProductArchived, SandboxLimit, SigningKeyExhausted.
        """
        for index, name in enumerate(order.chains):
            if name not in self._chains:
                known = ", ".join(self._chains)
                raise InvalidArgument.of(f"chains[{index}]", f"no chain of this name; known are {known}")
        await storage.hold_orderable_product(tx, tenant_id, order.product_id)
        chosen = await settings.read(tx, tenant_id)
        if chosen.sandbox and order.quantity > SANDBOX_QUANTITY:
            raise SandboxLimit(SANDBOX_QUANTITY)
        taken = await storage.allocate_range(tx, key_id=self._signing_key_id, count=order.quantity)
        batch = await storage.add(
            tx, batch_id=batch_id or uuid7(), tenant_id=tenant_id, order=order, taken=taken, sandbox=chosen.sandbox
        )
        await self._note(tx, batch, "batch.created")
        return batch

    async def get(self, tenant_id: UUID, batch_id: UUID) -> Batch:
        """Return a batch; BatchNotFound when the tenant has none of that id."""
        async with self._database.reading() as tx:
            (batch,) = await estimated(tx, [await storage.get(tx, tenant_id, batch_id)])
            return batch

    async def list(
        self,
        tenant_id: UUID,
        wanted: BatchFilter,
        order: Order = NEWEST_FIRST,
        *,
        after: Position | None = None,
        limit: int,
    ) -> Page[Batch]:
        """Return batches in an order, from the one after `after` on."""
        async with self._database.reading() as tx:
            found = await storage.page(tx, tenant_id, wanted, order, after=after, limit=limit + 1)
            return Page.cut(await estimated(tx, found), limit)

    async def retry(self, tx: Transaction, tenant_id: UUID, batch_id: UUID, *, who: str = PLATFORM) -> Batch:
        """Let a stopped batch go on from where it stopped; WrongBatchState when it did not stop.

        Its dead letter counts as replayed by `who`.
        """
        batch = await storage.hold(tx, tenant_id, batch_id)
        if batch.state not in RETRIES:
            raise WrongBatchState(batch.state.name, "FAILED or ANCHOR_FAILED")
        going_on = await storage.change_state(tx, batch_id, RETRIES[batch.state])
        await settle(tx, tenant_id, [batch_id], Resolution.REPLAYED, who=who, now=going_on.updated_at)
        await self._note(tx, going_on, "batch.retried")
        return going_on

    async def replay(self, tx: Transaction, letter: DeadLetter) -> Batch:
        """Let the batch of a dead letter go on; WrongBatchState."""
        return await self.retry(tx, letter.tenant_id, UUID(letter.subject))

    async def cancel(self, tx: Transaction, tenant_id: UUID, batch_id: UUID, *, who: str = PLATFORM) -> Batch:
        """Cancel a batch, or leave it cancelled; WrongBatchState once its root may be on its way to the chain.

        Waits for a chunk that is being written; the worker then finds its lease gone. Units that are written stay, void
        by the batch's state, and provable: the batch gets the root over them, and what tiles a proof still needs.
        """
        batch = await storage.hold(tx, tenant_id, batch_id)
        if batch.state is BatchState.CANCELLED:
            return batch
        if batch.state not in CANCELLABLE:
            raise WrongBatchState(batch.state.name, "PENDING, ISSUING or FAILED")
        cancelled = await storage.cancel(tx, batch_id, await _close_tree(tx, batch))
        await settle(tx, tenant_id, [batch_id], Resolution.DISCARDED, who=who, now=cancelled.updated_at)
        await self._note(tx, cancelled, "batch.cancelled")
        return cancelled

    async def pause(self, tx: Transaction, tenant_id: UUID, batch_id: UUID) -> Batch:
        """Stop issuing a batch at the next whole chunk, or leave it paused; WrongBatchState once it is issued."""
        batch = await storage.hold(tx, tenant_id, batch_id)
        if batch.state not in PAUSABLE:
            raise WrongBatchState(batch.state.name, "PENDING or ISSUING")
        if batch.paused:
            return batch
        paused = await storage.pause(tx, batch_id)
        await outbox.note(tx, paused, "batch.paused")
        return paused

    async def resume(self, tx: Transaction, tenant_id: UUID, batch_id: UUID) -> Batch:
        """Let a paused batch go on, or leave it going on."""
        batch = await storage.hold(tx, tenant_id, batch_id)
        if not batch.paused:
            return batch
        resumed = await storage.resume(tx, batch_id)
        await self._note(tx, resumed, "batch.resumed")
        return resumed

    async def report_anchor_outcome(self, batch_id: UUID, outcome: AnchorOutcome) -> None:
        """Take the outcome of an anchor, at least once; BatchNotFound, or RootConflict for another root."""
        async with self._database.transaction() as tx:
            batch = await storage.hold_any(tx, batch_id)
            if batch.merkle_root != outcome.merkle_root:
                raise RootConflict
            await take_outcome(tx, batch, outcome)

    async def _note(self, tx: Transaction, batch: Batch, topic: str) -> None:
        await outbox.note(tx, batch, topic)
        tx.after_commit(lambda: self._queue.nudge(JOB, str(batch.batch_id)))


async def estimated(tx: Transaction, found: Sequence[Batch]) -> list[Batch]:
    """Return batches with the times at which those that wait for units will have them."""
    times = await estimates.completion_times(tx, [batch.batch_id for batch in found if batch.waits_for_units])
    return [replace(batch, estimated_completion_at=times.get(batch.batch_id)) for batch in found]


async def _close_tree(tx: Transaction, batch: Batch) -> bytes | None:
    """Store the tiles at the right edge of a batch's written units, and return the root over them; None without any.

    The cursor of a batch that can be cancelled stands at a chunk's end, so all its leaves are in full tiles.
    """
    written = batch.issued_count
    if not written:
        return None
    stored = await tile_storage.read(tx, batch.batch_id, tiles_of_resume(written))
    # In a thread: up to some 60 ms of hashing.
    writer = await asyncio.to_thread(TileWriter.resume, written, lambda level, index: stored[level, index])
    await tile_storage.add(tx, batch.batch_id, writer.finish())
    return writer.root()
