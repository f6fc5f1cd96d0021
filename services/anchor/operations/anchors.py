"""Submitting roots, and what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from services.anchor.model import Anchor, AnchorKind, AnchorState
from services.anchor.storage import anchors as storage
from services.anchor.storage import chains
from services.common.batching import Batcher
from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import AnchorNotFound, InvalidArgument, RootConflict, WrongAnchorState
from services.common.ids import uuid7
from services.common.paging import page_size
from services.common.queue import Queue

QUEUE_NAME = "voketag:anchor"
"""The queue that the server nudges and the worker listens to."""
JOB = "write"
"""The job that makes the writer look at once."""

_GROUP = 500
_MOST_WAITING = 10_000
_LINGER_SECONDS = 0.02  # while many come; one that comes alone never waits


@dataclass(frozen=True, slots=True)
class Page:
    """A page of anchors, and whether there is another."""

    anchors: Sequence[Anchor]
    more: bool


class Anchors:
    """The anchors of all batches."""

    def __init__(self, *, database: Database, clock: Clock, queue: Queue, chains: Mapping[str, int]) -> None:
        """`chains` are the chains' ids by name; the first one is where roots go that ask for none."""
        self._database = database
        self._clock = clock
        self._queue = queue
        self._chains = chains
        self._default = next(iter(chains))
        self._new: Batcher[Anchor, bool] = Batcher(
            self._add, max_size=_GROUP, max_waiting=_MOST_WAITING, linger_seconds=_LINGER_SECONDS
        )

    async def submit(
        self,
        *,
        batch_id: UUID,
        merkle_root: bytes,
        tree_size: int,
        kind: AnchorKind = AnchorKind.BATCH,
        urgent: bool = False,
        tenant_id: UUID | None = None,
        chains: Sequence[str] = (),
    ) -> Anchor:
        """Return the batch's anchor, a new one if it has none; RootConflict when it has one of another root or size.

        One that waits already is hurried when this call is urgent; who it belongs to stays as it was. `chains` are
        those that the root is to go to, none for the default one. The first chain of the first call is the batch's
        own, which it is anchored by; chains that a later call names are added. InvalidArgument for an unknown one.
        """
        asked = self._known(chains)
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
            chain=asked[0],
        )
        if len(asked) == 1 and await self._new.submit(new):
            return new
        return await self._join(new, asked if chains else ())

    async def _add(self, new: Sequence[Anchor]) -> Sequence[bool]:
        """Add what came together, with one commit and one nudge; tell of each whether it is new."""
        async with self._database.reading() as tx:  # one statement, which commits by itself
            added = await storage.insert_new(tx, new)
        if added:
            await self._queue.nudge(JOB, str(new[0].anchor_id))
        return [anchor.anchor_id in added for anchor in new]

    async def _join(self, new: Anchor, named: Sequence[str]) -> Anchor:
        """Submit the root of a batch that has an anchor already, or goes to several chains."""
        async with self._database.transaction() as tx:
            changed = await storage.insert_if_new(tx, new)
            await storage.hold_batch(tx, new.batch_id)
            found = await storage.anchors_by_batch(tx, new.batch_id)
            if found[0].leaf != new.leaf:
                raise RootConflict
            missing = [name for name in named if name not in {anchor.chain for anchor in found}]
            for position, name in enumerate(missing, len(found)):
                one = replace(new, anchor_id=uuid7(), chain=name, tenant_id=found[0].tenant_id)
                changed |= await storage.insert_if_new(tx, one, position=position)
            if new.urgent:
                changed |= any([await storage.hurry(tx, anchor.anchor_id) for anchor in found])
            if changed:
                tx.after_commit(partial(self._queue.nudge, JOB, str(found[0].anchor_id)))
            return await self._of_batch(tx, new.batch_id)

    async def get(self, batch_id: UUID) -> Anchor:
        """Return the anchor of a batch, the same root's on other chains with it; AnchorNotFound."""
        async with self._database.reading() as tx:
            return await self._of_batch(tx, batch_id)

    async def list_page(self, *, before: UUID | None, size: int, state: AnchorState | None) -> Page:
        """Return a page of anchors, newest first, from the one after `before` on."""
        limit = page_size(size)
        async with self._database.reading() as tx:
            found = await storage.list_anchors(tx, before=before, limit=limit + 1, state=state)
            page = await self._with_reasons(tx, found[:limit])
        return Page(page, more=len(found) > limit)

    async def retry(self, anchor_id: UUID) -> Anchor:
        """Try a PENDING anchor now, whatever its chain waits for. AnchorNotFound; WrongAnchorState in any other state.

        That ends the pause that the whole chain makes after a refused transaction: the anchors share transactions. One
        that an earlier version left FAILED becomes PENDING.
        """
        async with self._database.transaction() as tx:
            anchor = _found(await storage.hold_anchor(tx, anchor_id))
            if anchor.state not in (AnchorState.PENDING, AnchorState.FAILED):
                raise WrongAnchorState(anchor.state.name, AnchorState.PENDING.name)
            await storage.retry_failed(tx, anchor_id)
            if anchor.chain in self._chains:
                await chains.lift(tx, self._chains[anchor.chain])
            tx.after_commit(partial(self._queue.nudge, JOB, str(anchor_id)))
            return _found(await storage.anchor_by_id(tx, anchor_id))

    def _known(self, chains: Sequence[str]) -> Sequence[str]:
        for index, name in enumerate(chains):
            if name not in self._chains:
                raise InvalidArgument.of(
                    f"chains[{index}]", f"no chain of this name; known are {', '.join(self._chains)}"
                )
        return list(dict.fromkeys(chains)) or [self._default]

    async def _of_batch(self, tx: Transaction, batch_id: UUID) -> Anchor:
        found = await storage.anchors_by_batch(tx, batch_id)
        if not found:
            raise AnchorNotFound
        first, *others = await self._with_reasons(tx, found)
        return replace(first, others=tuple(others))

    async def _with_reasons(self, tx: Transaction, found: Sequence[Anchor]) -> Sequence[Anchor]:
        """Say of unfinished anchors what they wait for, when the writer has said so."""
        waits_for = {}
        for name in {anchor.chain for anchor in found if anchor.unfinished} & self._chains.keys():
            _, waits_for[name] = await chains.said(tx, self._chains[name])
        return [
            replace(anchor, error=waits_for[anchor.chain])
            if anchor.unfinished and waits_for.get(anchor.chain)
            else anchor
            for anchor in found
        ]


def _found(anchor: Anchor | None) -> Anchor:
    if anchor is None:
        raise AnchorNotFound
    return anchor
