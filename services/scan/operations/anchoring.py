"""The ledger's checkpoints on the chain, through Anchor: a root now and then, so that nobody can make the past anew."""

from datetime import timedelta
from typing import Protocol
from uuid import UUID, uuid5

from services.common.clock import Clock
from services.common.errors import VokeTagError
from services.common.logs import get_logger
from services.scan.storage import ledger as storage
from services.scan.storage.connection import HeldConnection

_CHECKPOINTS = UUID("7cc5d0a5-4f0d-5b53-9d5a-6b0f6c0e1a51")
_log = get_logger(__name__)


class Anchor(Protocol):
    """Anchor, as the ledger needs it."""

    async def submit_checkpoint(self, subject: UUID, *, root: bytes, size: int) -> None:
        """Take a checkpoint's root, once or again."""
        ...


def subject_of(origin: str, size: int) -> UUID:
    """Return the id under which Anchor knows the checkpoint of a size: a version 5 UUID of the ledger's name and it."""
    return uuid5(_CHECKPOINTS, f"{origin}\n{size}")


class CheckpointAnchoring:
    """Submits the newest checkpoint when the last one that was submitted is old enough."""

    def __init__(
        self, *, connection: HeldConnection, anchor: Anchor, origin: str, interval: timedelta, clock: Clock
    ) -> None:
        self._connection = connection
        self._anchor = anchor
        self._origin = origin
        self._interval = interval
        self._clock = clock

    async def submit(self) -> None:
        """Submit what is due. Killed before it takes note, the next run submits the same one or a later one."""
        last = await storage.last_anchored(self._connection)
        if last is not None and self._clock.now() - last.signed_at < self._interval:
            return
        newest = await storage.checkpoint_to_anchor(self._connection)
        if newest is None:
            return
        subject = subject_of(self._origin, newest.size)
        try:
            await self._anchor.submit_checkpoint(subject, root=newest.root, size=newest.size)
        except VokeTagError as error:
            _log.warning("a checkpoint waits for Anchor", size=newest.size, reason=error.reason, error=error.message)
            return
        await storage.mark_anchored(self._connection, newest.size, subject)
