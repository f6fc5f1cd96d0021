"""Beside the steps: close gaps in our nonces, so that what stands above one can be mined.

The chain takes a sender's transactions in the order of their nonces, without holes. One opens when a transaction that
used a nonce is gone for good and nobody sends it again: a foreign or a failed one that a deep reorganisation threw out,
or nonces that a node which lied made us skip. Then a transfer of nothing to ourselves uses the nonce up. *Alternative:*
giving the transactions above the hole new nonces, which could put one root on the chain twice.
"""

from datetime import timedelta

from services.anchor import metrics
from services.anchor.chain_types import Broadcast, Chain
from services.anchor.model import TreeState
from services.anchor.storage import fillers, trees
from services.anchor.storage.fillers import Filler
from services.anchor.transactions import replacement_fees
from services.common.clock import Clock
from services.common.database import Database
from services.common.logs import get_logger

_log = get_logger(__name__)


class Filling:
    """Finds the nonce that the chain waits for and nobody sends, and sends it."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        chain: Chain,
        confirmations: int,
        fee_ceiling_wei: int,
        stuck_seconds: float,
    ) -> None:
        self._database = database
        self._clock = clock
        self._chain = chain
        self._confirmations = confirmations
        self._fee_ceiling_wei = fee_ceiling_wei
        self._stuck = timedelta(seconds=stuck_seconds)

    async def fill(self) -> bool:
        """Send what fills the lowest gap, if there is one; return whether there is. Raises what `Chain` raises."""
        async with self._database.reading() as tx:
            highest = await trees.highest_nonce(tx, chain_id=self._chain.chain_id, sender=self._chain.sender)
        if highest is None:
            return False
        nonce = await self._chain.mined_nonce()
        if nonce > highest or not await self._is_gap(nonce):
            return False
        async with self._database.reading() as tx:
            newest = await fillers.newest(tx, chain_id=self._chain.chain_id, sender=self._chain.sender, nonce=nonce)
        if newest is None:
            _log.error("a gap in our nonces: filling it", nonce=nonce, highest=highest)
            newest = await self._sign(nonce, None)
        outcome = await self._chain.broadcast(newest.raw)
        if outcome is Broadcast.UNDERPRICED or self._clock.now() - newest.signed_at >= self._stuck:
            await self._chain.broadcast((await self._sign(nonce, newest)).raw)
        return True

    async def _is_gap(self, nonce: int) -> bool:
        """Nobody sends this nonce: `Sending` sends what is submitted, and `Rechecking` reopens what was confirmed."""
        async with self._database.reading() as tx:
            states = await trees.states_of_nonce(
                tx, chain_id=self._chain.chain_id, sender=self._chain.sender, nonce=nonce
            )
            last_block = await trees.last_block(tx, chain_id=self._chain.chain_id)
        if states & {TreeState.SUBMITTED, TreeState.CONFIRMED}:
            return False
        # A node that has not come so far yet asks for old nonces, too.
        return (await self._chain.head()).number >= last_block + self._confirmations

    async def _sign(self, nonce: int, stuck: Filler | None) -> Filler:
        fees = await self._chain.suggest_fees()
        if stuck is not None:
            fees = replacement_fees(stuck=stuck.fees, fresh=fees, ceiling_wei=self._fee_ceiling_wei)
        signed = await self._chain.sign_filler(nonce=nonce, fees=fees)
        filler = Filler(tx_hash=signed.tx_hash, raw=signed.raw, fees=fees, signed_at=self._clock.now())
        async with self._database.transaction() as tx:
            await fillers.insert(tx, filler, chain_id=self._chain.chain_id, sender=self._chain.sender, nonce=nonce)
        metrics.transactions.labels(self._chain.name, "filler").inc()
        return filler
