"""Second and third step: sign a tree's transaction and store it, then hand what is stored to the chain.

Only one transaction at a time waits for its first block. So the next nonce is always the one that the chain asks for,
no gap can open behind a lost transaction, and what waits meanwhile shares the next tree.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from services.anchor import metrics
from services.anchor.chain_errors import LowBalance
from services.anchor.chain_types import Broadcast, Chain, Fees
from services.anchor.model import Attempt, Standing, TransactionState, Tree
from services.anchor.storage import chains, transactions, trees
from services.anchor.transactions import replacement_fees
from services.common.clock import Clock
from services.common.database import Database
from services.common.errors import ChainUnavailable
from services.common.logs import get_logger

_log = get_logger(__name__)


class _Line(NamedTuple):
    """What was said of the chain, trees without a transaction, and those whose transaction is not settled."""

    standing: Standing
    collected: Sequence[Tree]
    submitted: Sequence[Tree]


class Sending:
    """Signs and broadcasts. Both methods raise what `Chain` raises; nothing is lost by that, call them again."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        chain: Chain,
        fee_ceiling_wei: int,
        stuck_seconds: float,
        balance_floor_wei: int = 0,
    ) -> None:
        """With less than `balance_floor_wei` nothing new is signed; what is under way still is seen through."""
        self._database = database
        self._clock = clock
        self._chain = chain
        self._fee_ceiling_wei = fee_ceiling_wei
        self._stuck = timedelta(seconds=stuck_seconds)
        self._balance_floor_wei = balance_floor_wei

    async def has_room(self) -> bool:
        """No tree waits to be signed or for its first block: a new one would be signed at once."""
        line = await self._line()
        return not line.collected and self._may_sign(line)

    async def sign(self) -> bool:
        """Sign the oldest tree that has no transaction and store it, unless an earlier one is in no block yet.

        The gas estimate executes the transaction on the newest block, so one that the contract would refuse is not
        signed: ContractReverted. Nor is anything for a while after one that it refused all the same.
        """
        line = await self._line()
        if not line.collected or not self._may_sign(line):
            return False
        tree = line.collected[0]
        await self._chain.check()
        await self._see_balance()
        nonce = await self._next_nonce()
        fees = await self._chain.suggest_fees()
        signed = await self._chain.sign_anchor([tree.sized_root], nonce=nonce, fees=fees)
        async with self._database.transaction() as tx:
            given = await trees.give_nonce(
                tx, tree.tree_id, contract=self._chain.contract_address, sender=self._chain.sender, nonce=nonce
            )
            if not given:
                return False
            await transactions.insert_signed(tx, tree.tree_id, signed, now=self._clock.now())
        metrics.transactions.labels(self._chain.name, "signed").inc()
        _log.info("signed", tx_hash=signed.tx_hash, nonce=nonce, roots=tree.size)
        return True

    async def broadcast(self) -> None:
        """Hand every transaction that is in no block to the chain, again and again: it may have been forgotten."""
        for tree in (await self._line()).submitted:
            if not tree.mined:
                await self._broadcast(tree)

    async def waits_for(self) -> str:
        """Say why nothing new is signed, or what keeps a replaced transaction out of the blocks; else nothing."""
        standing, _, submitted = await self._line()
        if standing.held_until is not None and standing.held(self._clock.now()):
            return f"{standing.refusal}; the next try is at {standing.held_until:%H:%M:%S} UTC, or with RetryAnchor"
        for tree in submitted:
            if not tree.mined:
                async with self._database.reading() as tx:
                    attempts = await transactions.attempts_of(tx, tree.tree_id)
                if len(attempts) > 1:
                    return f"no block takes the transaction with nonce {tree.nonce}, which offers more than at first"
        return ""

    async def _line(self) -> _Line:
        async with self._database.reading() as tx:
            return _Line(
                standing=await chains.standing(tx, self._chain.chain_id),
                collected=await trees.collected(tx, chain_id=self._chain.chain_id),
                submitted=await trees.submitted(
                    tx, chain_id=self._chain.chain_id, contract=self._chain.contract_address
                ),
            )

    def _may_sign(self, line: _Line) -> bool:
        """The chain makes no pause, and every transaction is in a block."""
        return not line.standing.held(self._clock.now()) and all(tree.mined for tree in line.submitted)

    async def _broadcast(self, tree: Tree) -> None:
        async with self._database.reading() as tx:
            attempts = await transactions.attempts_of(tx, tree.tree_id)
        newest = next(attempt for attempt in attempts if attempt.raw is not None)
        outcome = await self._send(newest)
        if outcome in (Broadcast.ALREADY_MINED, Broadcast.NONCE_USED):
            return  # settling looks at the receipts of all attempts
        if await self._is_stuck(newest, outcome):
            await self._replace(tree, newest)

    async def _send(self, attempt: Attempt) -> Broadcast:
        assert attempt.raw is not None  # noqa: S101 - chosen for it
        outcome = await self._chain.broadcast(attempt.raw)
        if attempt.state is TransactionState.SIGNED and outcome is not Broadcast.UNDERPRICED:
            async with self._database.transaction() as tx:
                await transactions.mark_broadcast(tx, attempt.tx_hash, now=self._clock.now())
        return outcome

    async def _see_balance(self) -> None:
        metrics.balance_floor_wei.labels(self._chain.name).set(self._balance_floor_wei)
        if self._balance_floor_wei and (balance := await self._chain.balance()) < self._balance_floor_wei:
            raise LowBalance(
                f"the signing address holds {balance} wei, less than the floor of {self._balance_floor_wei}: "
                "top up its balance"
            )

    async def _next_nonce(self) -> int:
        nonce = await self._chain.mined_nonce()
        async with self._database.reading() as tx:
            highest = await trees.highest_nonce(tx, chain_id=self._chain.chain_id, sender=self._chain.sender)
        if highest is not None and nonce <= highest:
            raise ChainUnavailable(
                f"the chain's node asks for nonce {nonce}, and {highest} is used already: it is behind, or its chain "
                "was replaced"
            )
        return nonce

    async def _is_stuck(self, newest: Attempt, outcome: Broadcast) -> bool:
        if self._clock.now() - (newest.broadcast_at or newest.signed_at) >= self._stuck:
            return True
        # Too cheap for the pool: no reason to wait when the price has risen since it was signed. When it has not,
        # something of ours is in the way, and raising the offer at every look would only feed an auction.
        if outcome is Broadcast.UNDERPRICED:
            return (await self._chain.suggest_fees()).max_wei > _fees(newest).max_wei
        # In the pool, and the next block asks for more than it offers at most: no block will take it.
        base_fee_wei = (await self._chain.head()).base_fee_wei
        return base_fee_wei is not None and base_fee_wei > _fees(newest).max_wei

    async def _replace(self, tree: Tree, stuck: Attempt) -> None:
        """Sign the same root with the same nonce and higher fees, store it, and send it."""
        if tree.sender != self._chain.sender or tree.nonce is None:
            raise ChainUnavailable(
                f"{stuck.tx_hash} is stuck and was signed by {tree.sender}: give the worker that key until it is mined"
            )
        fees = replacement_fees(
            stuck=_fees(stuck), fresh=await self._chain.suggest_fees(), ceiling_wei=self._fee_ceiling_wei
        )
        signed = await self._chain.sign_anchor(
            [tree.sized_root], nonce=tree.nonce, fees=fees, gas_limit=stuck.gas_limit
        )
        async with self._database.transaction() as tx:
            if not await trees.hold_submitted(tx, tree.tree_id):
                return
            await transactions.insert_signed(tx, tree.tree_id, signed, now=self._clock.now())
            newest = (await transactions.attempts_of(tx, tree.tree_id))[0]
        metrics.transactions.labels(self._chain.name, "replaced").inc()
        _log.warning("replaced a stuck transaction", stuck=stuck.tx_hash, tx_hash=signed.tx_hash, nonce=tree.nonce)
        await self._send(newest)


def _fees(attempt: Attempt) -> Fees:
    assert attempt.fees is not None  # noqa: S101 - stored with `raw`
    return attempt.fees
