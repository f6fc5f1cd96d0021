"""The dry chain: the steps that need no chain, for development without a node. Nothing is written anywhere.

Its anchors become CONFIRMED, so that batches go on to COMPLETED, and every trace of them says "dry": the chain's name,
the transaction, the chain id 0. No receipt carries them, and no check of one ever passes. *Alternative:* leaving the
root out of Anchor altogether: development would differ from production at the place that is hardest to repair.
"""

from services.anchor.storage import trees
from services.common.clock import Clock
from services.common.database import Database


class Rehearsing:
    """Settles trees of the dry chain."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def settle(self) -> int:
        """Call collected trees anchored; return how many anchors that were."""
        async with self._database.transaction() as tx:
            return await trees.rehearse(tx, now=self._clock.now())
