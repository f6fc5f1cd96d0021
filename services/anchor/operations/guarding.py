"""Before the steps: see that the chain is the one that our books are about. Otherwise nothing is read or sent."""

import time

from services.anchor import metrics
from services.anchor.chain_errors import WrongChain
from services.anchor.chain_types import Chain
from services.anchor.storage import chains
from services.common.clock import Clock
from services.common.database import Database
from services.common.errors import ChainUnavailable

_EVERY_SECONDS = 10


class Guarding:
    """Checks id, contract and genesis block.

    The genesis block that the first check met is kept: a node that was emptied, or whose chain was started anew, has
    the id and can have the contract, and every root that we confirmed is gone from it. `genesis_pinned` says that the
    settings name the genesis block, which is then what counts.
    """

    def __init__(self, *, database: Database, clock: Clock, chain: Chain, genesis_pinned: bool = False) -> None:
        self._database = database
        self._clock = clock
        self._chain = chain
        self._genesis_pinned = genesis_pinned
        self._due = 0.0

    async def guard(self) -> None:
        """WrongChain; ChainUnavailable. Asks at most every few seconds while all is well."""
        if time.monotonic() < self._due:
            return
        try:
            await self._chain.check()
            await self._compare(await self._chain.genesis())
        except ChainUnavailable as error:
            metrics.wrong_chain.labels(self._chain.name).set(isinstance(error, WrongChain))
            raise
        metrics.wrong_chain.labels(self._chain.name).set(0)
        self._due = time.monotonic() + _EVERY_SECONDS

    async def _compare(self, genesis: str) -> None:
        async with self._database.reading() as tx:
            known = await chains.genesis(tx, self._chain.chain_id)
        if known == genesis:
            return
        if known and not self._genesis_pinned:
            raise WrongChain(
                f"chain {self._chain.chain_id} begins with block {genesis}, and all that was anchored is on one that "
                f"begins with {known}: connect the right node, or name the new chain's genesis block in the settings"
            )
        async with self._database.transaction() as tx:
            await chains.keep_genesis(
                tx,
                chain_id=self._chain.chain_id,
                sender=self._chain.sender,
                genesis=genesis,
                now=self._clock.now(),
            )
