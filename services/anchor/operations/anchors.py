"""Submitting roots, and what became of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from services.anchor.model import Anchor, AnchorKind, AnchorState
from services.anchor.storage import anchors as storage
from services.anchor.storage import chains
from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import AnchorNotFound, RootConflict, WrongAnchorState
from services.common.ids import uuid7
from services.common.paging import page_size
from services.common.queue import Queue

QUEUE_NAME = "voketag:anchor"
"""The queue that the server nudges and the worker listens to."""
JOB = "write"
"""The job that makes the writer look at once."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of anchors, and whether there is another."""

    anchors: Sequence[Anchor]
    more: bool


class Anchors:
    """The anchors of all batches."""

    def __init__(self, *, database: Database, clock: Clock, queue: Queue, chain_id: int) -> None:
        self._database = database
        self._clock = clock
        self._queue = queue
        self._chain_id = chain_id

    async def submit(
        self,
        *,
        batch_id: UUID,
        merkle_root: bytes,
        tree_size: int,
        kind: AnchorKind = AnchorKind.BATCH,
        urgent: bool = False,
        tenant_id: UUID | None = None,
    ) -> Anchor:
        """Return the batch's anchor, a new one if it has none; RootConflict when it has one of another root or size.

        One that waits already is hurried when this call is urgent; who it belongs to stays as it was.
        """
        new = Anchor(
            anchor_id=uuid7(),
            batch_id=batch_id,
            merkle_root=merkle_root,
            tree_size=tree_size,
            state=AnchorState.PENDING,
            error="",
            created_at=self._clock.now(),
            confirmed_at=None,
            inclusion=None,
            kind=kind,
            urgent=urgent,
            tenant_id=tenant_id,
        )
        async with self._database.transaction() as tx:
            if await storage.insert_if_new(tx, new):
                tx.after_commit(partial(self._queue.nudge, JOB, str(new.anchor_id)))
                return new
            anchor = _found(await storage.anchor_by_batch(tx, batch_id))
            if anchor.leaf != new.leaf:
                raise RootConflict
            if urgent and await storage.hurry(tx, anchor.anchor_id):
                anchor = replace(anchor, urgent=True)
                tx.after_commit(partial(self._queue.nudge, JOB, str(anchor.anchor_id)))
            return (await self._with_reasons(tx, [anchor]))[0]

    async def get(self, batch_id: UUID) -> Anchor:
        """Return the anchor of a batch; AnchorNotFound."""
        async with self._database.reading() as tx:
            anchor = _found(await storage.anchor_by_batch(tx, batch_id))
            return (await self._with_reasons(tx, [anchor]))[0]

    async def list_page(self, *, before: UUID | None, size: int, state: AnchorState | None) -> Page:
        """Return a page of anchors, newest first, from the one after `before` on."""
        limit = page_size(size)
        async with self._database.reading() as tx:
            found = await storage.list_anchors(tx, before=before, limit=limit + 1, state=state)
            page = await self._with_reasons(tx, found[:limit])
        return Page(page, more=len(found) > limit)

    async def retry(self, anchor_id: UUID) -> Anchor:
        """FAILED -> PENDING. AnchorNotFound; WrongAnchorState in any other state."""
        async with self._database.transaction() as tx:
            moved = await storage.retry_failed(tx, anchor_id)
            anchor = _found(await storage.anchor_by_id(tx, anchor_id))
            if not moved:
                raise WrongAnchorState(anchor.state.name, AnchorState.FAILED.name)
            tx.after_commit(partial(self._queue.nudge, JOB, str(anchor_id)))
        return anchor

    async def _with_reasons(self, tx: Transaction, found: Sequence[Anchor]) -> Sequence[Anchor]:
        """Say of unfinished anchors what they wait for, when the writer has said so."""
        if not any(anchor.unfinished for anchor in found):
            return found
        _, waits_for = await chains.said(tx, self._chain_id)
        return [replace(anchor, error=waits_for) if anchor.unfinished else anchor for anchor in found]


def _found(anchor: Anchor | None) -> Anchor:
    if anchor is None:
        raise AnchorNotFound
    return anchor
