"""Beside the steps: notice that the chain lost what was confirmed, and send the same transaction again.

A depth makes that unlikely, not impossible: a reorganisation can be deeper, and a node can come back from a crash with
a shorter chain. The nonce tells: it is lower than what our confirmed transactions have used.
"""

import time

from services.anchor import metrics
from services.anchor.chain_types import Chain
from services.anchor.operations.settling import THROWN_OUT
from services.anchor.storage import transactions, trees
from services.common.clock import Clock
from services.common.database import Database
from services.common.logs import get_logger

_EVERY_SECONDS = 5

_log = get_logger(__name__)


class Rechecking:
    """Reopens trees that the chain forgot."""

    def __init__(self, *, database: Database, clock: Clock, chain: Chain, confirmations: int) -> None:
        self._database = database
        self._clock = clock
        self._chain = chain
        self._confirmations = confirmations
        self._due = 0.0

    async def recheck_now_and_then(self) -> None:
        """`recheck`, at most every few seconds."""
        if time.monotonic() >= self._due:
            await self.recheck()
            self._due = time.monotonic() + _EVERY_SECONDS

    async def recheck(self) -> int:
        """Return how many trees were reopened: CONFIRMED -> SUBMITTED, their anchors too."""
        nonce = await self._chain.mined_nonce()
        async with self._database.reading() as tx:
            suspects = await trees.confirmed_from(
                tx,
                chain_id=self._chain.chain_id,
                contract=self._chain.contract_address,
                sender=self._chain.sender,
                nonce=nonce,
            )
        if not suspects:
            return 0
        await self._chain.check()  # a chain without our contract has lost more than we can repair
        head = await self._chain.head()
        reopened = 0
        for tree, tx_hash, block_number in suspects:
            # A node that has not come so far yet is behind: that is no reason.
            if head.number < block_number + self._confirmations or await self._chain.receipt(tx_hash) is not None:
                continue
            async with self._database.transaction() as tx:
                await trees.reopen(tx, tree.tree_id)
                await transactions.mark_vanished(tx, tree.tree_id, now=self._clock.now())
                await trees.explain(tx, tree.tree_id, THROWN_OUT)
            metrics.reorganisations.labels(self._chain.name).inc()
            _log.error("the chain lost a confirmed transaction; sending it again", tx_hash=tx_hash, nonce=tree.nonce)
            reopened += 1
        return reopened
