"""Which worker has which batch: taking, giving back, giving up."""

from collections.abc import Collection
from datetime import timedelta
from uuid import uuid4

from services.common.database import Database
from services.factory.model.batches import OPEN, BatchState
from services.factory.model.issuing import Claim
from services.factory.operations.stopping import note_stopped
from services.factory.storage import batches as batch_storage
from services.factory.storage import issuing as storage

_FIRST_DELAY = timedelta(seconds=1)
_LONGEST_DELAY = timedelta(seconds=15)


class Claims:
    """Takes batches for one worker, each for as long as a lease lasts."""

    def __init__(self, *, database: Database, lease: timedelta) -> None:
        self._database = database
        self._lease = lease

    async def take(self, states: Collection[BatchState] = OPEN) -> Claim | None:
        """Take the batch in one of `states` that has been due longest; None when none is due."""
        async with self._database.transaction() as tx:
            return await storage.claim_next(tx, states=states, token=uuid4(), lease=self._lease)

    async def give_back(self, claim: Claim) -> None:
        """Let another worker have a batch at once."""
        async with self._database.transaction() as tx:
            await storage.postpone(tx, claim, timedelta(0))

    async def postpone(self, claim: Claim) -> timedelta:
        """Give a batch back for later, the longer the more often it was tried; return how much later."""
        delay = min(_LONGEST_DELAY, _FIRST_DELAY * (1 << min(claim.attempts - 1, 10)))
        async with self._database.transaction() as tx:
            await storage.postpone(tx, claim, delay)
        return delay

    async def fail(self, claim: Claim, error: str) -> None:
        """Stop a batch where it stands, until RetryBatch."""
        anchoring = claim.batch.state is BatchState.ANCHORING
        async with self._database.transaction() as tx:
            await storage.fail(tx, claim, BatchState.ANCHOR_FAILED if anchoring else BatchState.FAILED, error)
            await note_stopped(tx, await batch_storage.hold_any(tx, claim.batch.batch_id))

    async def count_overdue(self) -> int:
        """Return how many batches wait for a worker."""
        async with self._database.reading() as tx:
            return await batch_storage.count_due(tx, overdue=timedelta(0))
