"""From a batch's root to its place on the chain: submitting it to Anchor, and taking what became of it.

Submitting is get-or-create by batch, so it may happen any number of times: a batch in ANCHORING is submitted again
every minute until its outcome is known. That finds outcomes whose report was lost, and after RetryBatch it sets a
failed anchor going again. Anchor being away costs time and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from services.common.database import Database, Transaction
from services.common.errors import InvalidArgument, RootConflict
from services.factory.model.batches import AnchorOutcome, Batch, BatchState
from services.factory.model.dead_letters import Resolution
from services.factory.model.issuing import Claim
from services.factory.operations import outbox
from services.factory.operations.dead_letters import settle
from services.factory.operations.stopping import note_stopped
from services.factory.storage import batches as batch_storage
from services.factory.storage import issuing as storage

_RESUBMIT_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SubmittedRoot:
    """Where Anchor stands with a root: its outcome, or None while it works on it."""

    anchor_id: UUID
    outcome: AnchorOutcome | None


class Anchors(Protocol):
    """Anchor, as Factory needs it. Both calls raise its errors, and Unavailable when it does not answer."""

    async def submit(
        self, batch_id: UUID, *, tenant_id: UUID, merkle_root: bytes, tree_size: int, chains: Sequence[str]
    ) -> SubmittedRoot:
        """Get or create the anchor of a tenant's batch; RootConflict when it has one for another root.

        InvalidArgument for a chain that Anchor does not know.
        """
        ...

    async def retry(self, anchor_id: UUID) -> None:
        """Put a failed anchor back in line; does nothing to any other."""
        ...


class Submitter:
    """Submits the roots of batches that a worker holds."""

    def __init__(self, *, database: Database, anchors: Anchors) -> None:
        self._database = database
        self._anchors = anchors

    async def submit(self, claim: Claim) -> None:
        """Submit a claimed batch's root, take the outcome when there is one, and give the batch back."""
        batch = claim.batch
        if batch.sandbox:
            await self._complete_sandbox(batch)
            return
        assert batch.merkle_root is not None  # noqa: S101 - recorded with the change to ANCHORING
        try:
            submitted = await self._anchors.submit(
                batch.batch_id,
                tenant_id=batch.tenant_id,
                merkle_root=batch.merkle_root,
                tree_size=batch.quantity,
                chains=batch.chains,
            )
        except (RootConflict, InvalidArgument) as error:
            await self._give_up(claim, error.message)
            return
        outcome = submitted.outcome
        if outcome is not None and outcome.anchor is None:
            await self._anchors.retry(submitted.anchor_id)
        async with self._database.transaction() as tx:
            await storage.postpone(tx, claim, _RESUBMIT_AFTER)
            if outcome is not None and outcome.anchor is not None:
                await take_outcome(tx, await batch_storage.hold_any(tx, batch.batch_id), outcome)

    async def _complete_sandbox(self, batch: Batch) -> None:
        """Complete a trial: a chain is for goods, and for ever."""
        async with self._database.transaction() as tx:
            held = await batch_storage.hold_any(tx, batch.batch_id)
            if held.state is BatchState.ANCHORING:
                completed = await batch_storage.complete_sandbox(tx, batch.batch_id)
                await outbox.note(tx, completed, "batch.completed")

    async def _give_up(self, claim: Claim, error: str) -> None:
        async with self._database.transaction() as tx:
            await storage.fail(tx, claim, BatchState.ANCHOR_FAILED, error)
            await note_stopped(tx, await batch_storage.hold_any(tx, claim.batch.batch_id))


async def take_outcome(tx: Transaction, batch: Batch, outcome: AnchorOutcome) -> None:
    """Take an outcome into a held batch whose root it is for. A repeated outcome changes nothing.

    Outcomes come at least once and a failure may come late: it only stops a batch that waits. A confirmation counts
    whenever it comes, also after a failure; after another confirmation it is the same root in another block, as a
    reorganisation leaves it. A cancelled batch stays so: its root was never submitted.
    """
    if batch.state is BatchState.CANCELLED:
        return
    if outcome.anchor is None:
        if batch.state is BatchState.ANCHORING:
            failed = await batch_storage.change_state(tx, batch.batch_id, BatchState.ANCHOR_FAILED, error=outcome.error)
            await note_stopped(tx, failed)
    elif outcome.anchor != batch.anchor:
        completed = await batch_storage.complete(tx, batch.batch_id, outcome.anchor)
        if batch.state is not BatchState.COMPLETED:
            await outbox.note(tx, completed, "batch.completed")
            await settle(tx, batch.tenant_id, [batch.batch_id], Resolution.RECOVERED, now=completed.updated_at)
