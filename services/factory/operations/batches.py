"""What is done with batches on request: here they are ordered and asked about, the worker issues and anchors them."""

from uuid import UUID

from services.common.database import Database, Transaction
from services.common.errors import RootConflict, SandboxLimit, WrongBatchState
from services.common.ids import uuid7
from services.common.queue import Queue
from services.factory.model.batches import (
    CANCELLABLE,
    RETRIES,
    AnchorOutcome,
    Batch,
    BatchFilter,
    BatchOrder,
    BatchState,
)
from services.factory.model.dead_letters import PLATFORM, DeadLetter, Resolution
from services.factory.model.page import Page
from services.factory.model.settings import SANDBOX_QUANTITY
from services.factory.operations import outbox
from services.factory.operations.anchoring import take_outcome
from services.factory.operations.dead_letters import settle
from services.factory.storage import batches as storage
from services.factory.storage import settings

QUEUE_NAME = "voketag:factory"
"""The queue that the server nudges and the worker listens to."""
JOB = "look_for_batches"
"""The job that workers run when a batch is due."""


class Batches:
    """Batches of one tenant at a time."""

    def __init__(self, *, database: Database, queue: Queue, signing_key_id: int) -> None:
        self._database = database
        self._queue = queue
        self._signing_key_id = signing_key_id

    async def create(
        self, tx: Transaction, tenant_id: UUID, order: BatchOrder, *, batch_id: UUID | None = None
    ) -> Batch:
        """Order a batch: its row, its range of numbers and its event are one transaction.

        Holds the signing key's row until the transaction ends: what takes long comes before, and brings its `batch_id`.
        Raises ProductNotFound, ProductArchived, SandboxLimit, SigningKeyExhausted.
        """
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
            return await storage.get(tx, tenant_id, batch_id)

    async def list(self, tenant_id: UUID, wanted: BatchFilter, *, before: UUID | None, limit: int) -> Page[Batch]:
        """Return batches, newest first, from the one after `before` on."""
        async with self._database.reading() as tx:
            return Page.cut(await storage.page(tx, tenant_id, wanted, below=before, limit=limit + 1), limit)

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

        Waits for a chunk that is being written; the worker then finds its lease gone. Units that are written stay, and
        are void by the batch's state.
        """
        batch = await storage.hold(tx, tenant_id, batch_id)
        if batch.state is BatchState.CANCELLED:
            return batch
        if batch.state not in CANCELLABLE:
            raise WrongBatchState(batch.state.name, "PENDING, ISSUING or FAILED")
        cancelled = await storage.change_state(tx, batch_id, BatchState.CANCELLED)
        await settle(tx, tenant_id, [batch_id], Resolution.DISCARDED, who=who, now=cancelled.updated_at)
        await self._note(tx, cancelled, "batch.cancelled")
        return cancelled

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
