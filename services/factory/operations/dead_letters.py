"""Dead letters: what was given up is kept with its cause, and somebody decides. Every decision is audited.

A job's own module buries what it gives up, in the transaction that gives it up, and offers how it is done again: a
function of the transaction and the dead letter. `app.py` puts the two together by kind.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from uuid import UUID

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import DeadLetterResolved, VokeTagError
from services.common.ids import uuid7
from services.factory.model.dead_letters import PLATFORM, DeadLetter, Resolution
from services.factory.model.page import Page
from services.factory.operations import audit
from services.factory.storage import dead_letters as storage

REPLAYED_AT_ONCE = 1000

Replay = Callable[[Transaction, DeadLetter], Awaitable[object]]
"""Does the work of a dead letter again. An error of the tree says why it cannot be, and the letter goes on waiting."""


async def bury(
    tx: Transaction,
    tenant_id: UUID,
    kind: str,
    *,
    subject: UUID | str,
    cause: str,
    payload: Mapping[str, object],
    now: datetime,
) -> None:
    """Keep work that failed its last try; it is kept exactly when the transaction is.

    `subject` is the id of what it was about, `payload` what somebody needs to see of it: JSON, no secrets. A new `kind`
    needs its replay in `app.py`.
    """
    await storage.add(
        tx,
        DeadLetter(
            dead_letter_id=uuid7(),
            tenant_id=tenant_id,
            kind=kind,
            subject=str(subject),
            cause=cause,
            payload=payload,
            created_at=now,
        ),
    )


async def settle(
    tx: Transaction,
    tenant_id: UUID,
    subjects: Collection[UUID | str],
    resolution: Resolution,
    *,
    now: datetime,
    who: str = PLATFORM,
) -> None:
    """End what waits about some subjects, whose work was taken up or went well in another way."""
    texts = [str(subject) for subject in subjects]
    await storage.resolve(tx, tenant_id, texts, resolution, who=who, reason="", now=now)


class DeadLetters:
    """Dead letters of one tenant at a time. `replays` says by kind how work is done again."""

    def __init__(self, *, database: Database, clock: Clock, replays: Mapping[str, Replay]) -> None:
        self._database = database
        self._clock = clock
        self._replays = replays

    async def list(
        self, tenant_id: UUID, *, kind: str, include_resolved: bool, before: UUID | None, limit: int
    ) -> Page[DeadLetter]:
        """Return dead letters, newest first, from the one after `before` on."""
        async with self._database.reading() as tx:
            found = await storage.page(
                tx, tenant_id, kind=kind, include_resolved=include_resolved, below=before, limit=limit + 1
            )
        return Page.cut(found, limit)

    async def get(self, tenant_id: UUID, dead_letter_id: UUID) -> DeadLetter:
        """Return a dead letter; DeadLetterNotFound."""
        async with self._database.reading() as tx:
            return await storage.get(tx, tenant_id, dead_letter_id)

    async def replay(
        self, tx: Transaction, tenant_id: UUID, dead_letter_id: UUID, *, who: str, reason: str
    ) -> DeadLetter:
        """Do the work again; DeadLetterNotFound, DeadLetterResolved, and what the work itself refuses with."""
        letter = await self._waiting(tx, tenant_id, dead_letter_id)
        await self._replays[letter.kind](tx, letter)
        return await self._end(tx, letter, Resolution.REPLAYED, who=who, reason=reason)

    async def replay_all(
        self, tx: Transaction, tenant_id: UUID, *, kind: str, since: datetime | None, who: str, reason: str
    ) -> tuple[int, int]:
        """Do the work of up to 1,000 letters of a kind again, oldest first; return how many, and how many still wait.

        What cannot be done again, such as a delivery whose endpoint is gone, goes on waiting and stops no other.
        """
        count = 0
        for letter in await storage.hold_waiting(tx, tenant_id, kind=kind, since=since, limit=REPLAYED_AT_ONCE):
            try:
                async with tx.connection.begin_nested():
                    await self._replays[kind](tx, letter)
                    await self._end(tx, letter, Resolution.REPLAYED, who=who, reason=reason)
            except VokeTagError:
                continue
            count += 1
        return count, await storage.count_waiting(tx, tenant_id, kind=kind, since=since)

    async def discard(
        self, tx: Transaction, tenant_id: UUID, dead_letter_id: UUID, *, who: str, reason: str
    ) -> DeadLetter:
        """Give the work up for good; DeadLetterNotFound, DeadLetterResolved."""
        letter = await self._waiting(tx, tenant_id, dead_letter_id)
        return await self._end(tx, letter, Resolution.DISCARDED, who=who, reason=reason)

    @staticmethod
    async def _waiting(tx: Transaction, tenant_id: UUID, dead_letter_id: UUID) -> DeadLetter:
        letter = await storage.get(tx, tenant_id, dead_letter_id, lock=True)
        if letter.resolved_at is not None:
            raise DeadLetterResolved(letter.resolution)
        return letter

    async def _end(
        self, tx: Transaction, letter: DeadLetter, resolution: Resolution, *, who: str, reason: str
    ) -> DeadLetter:
        now = self._clock.now()
        await storage.end(tx, letter, resolution, who=who, reason=reason, now=now)
        verb = {Resolution.REPLAYED: "replay", Resolution.DISCARDED: "discard"}[resolution]
        await audit.note(
            tx,
            letter.tenant_id,
            who=who,
            action=f"dead_letter.{verb}",
            subject=letter.dead_letter_id,
            reason=reason,
            now=now,
            details={"kind": letter.kind, "subject": letter.subject},
        )
        return await storage.get(tx, letter.tenant_id, letter.dead_letter_id)
