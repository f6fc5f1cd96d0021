"""Fourth step: see what became of the transactions. Only here does a tree leave SUBMITTED."""

from collections.abc import Sequence

from services.anchor import metrics
from services.anchor.chain_errors import ChainRefused
from services.anchor.chain_types import AnchoredEvent, Chain, Head, TransactionReceipt
from services.anchor.checks import depth
from services.anchor.model import Attempt, TransactionState, Tree, TreeState
from services.anchor.storage import chains, transactions, trees
from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import ChainUnavailable
from services.common.logs import get_logger

THROWN_OUT = "a reorganisation threw its transaction out of the chain, which is sent again"
"""What anchors say until the transaction is in a block again."""
_LONGEST_REASON = 200

_log = get_logger(__name__)


class Settling:
    """Follows transactions into blocks, out of them when the chain reorganises, and to their depth."""

    def __init__(self, *, database: Database, clock: Clock, chain: Chain, confirmations: int) -> None:
        self._database = database
        self._clock = clock
        self._chain = chain
        self._confirmations = confirmations

    async def settle(self) -> int:
        """Look at every tree that is under way; return how many anchors came to an outcome."""
        async with self._database.reading() as tx:
            submitted = await trees.submitted(tx, chain_id=self._chain.chain_id, contract=self._chain.contract_address)
        if not submitted:
            return 0
        head = await self._chain.head()  # before the receipts, so that depth is never overstated
        return sum([await self._settle_tree(tree, head) for tree in submitted])

    async def _settle_tree(self, tree: Tree, head: Head) -> int:
        async with self._database.reading() as tx:
            attempts = await transactions.attempts_of(tx, tree.tree_id)
        receipt = await self._receipt(attempts)
        if receipt is None:
            await self._without_block(tree, attempts)
            return 0
        await self._note_block(tree, attempts, receipt)
        if depth(head.number, receipt.block_number) < self._confirmations:
            return 0
        await self._chain.corroborate(receipt, depth=self._confirmations)
        event = _event_of(tree, receipt) or await self._chain.find_anchored(tree.root)
        if event is None or event.size != tree.size:
            await self._put_back(tree, attempts, receipt)
            return 0
        if event.tx_hash != receipt.tx_hash and not await self._stands(event, head):
            return 0
        return await self._confirm(tree, attempts, receipt, event)

    async def _stands(self, event: AnchoredEvent, head: Head) -> bool:
        """The transaction of somebody else that anchored our root has its depth, too."""
        found = await self._chain.receipt(event.tx_hash)
        if found is None or depth(head.number, found.block_number) < self._confirmations:
            return False
        await self._chain.corroborate(found, depth=self._confirmations)
        return True

    async def _receipt(self, attempts: Sequence[Attempt]) -> TransactionReceipt | None:
        for attempt in attempts:
            if (receipt := await self._chain.receipt(attempt.tx_hash)) is not None:
                return receipt
        return None

    async def _note_block(self, tree: Tree, attempts: Sequence[Attempt], receipt: TransactionReceipt) -> None:
        known = _of(receipt, attempts)
        if known.state is TransactionState.MINED and known.block_hash == receipt.block_hash:
            return
        refusal = None if receipt.succeeded else await self._what_became(tree, attempts, receipt)
        async with self._database.transaction() as tx:
            if not await trees.hold_submitted(tx, tree.tree_id):
                return
            news = await transactions.mark_mined(tx, tree.tree_id, receipt, now=self._clock.now())
            await trees.explain(tx, tree.tree_id, "")
            if news and refusal is not None:  # now, not at its depth: blocks go on, and so would we, paying in each
                await self._refuse(tx, tree, receipt, refusal)
        _log.info("in a block", tx_hash=receipt.tx_hash, block=receipt.block_number)

    async def _without_block(self, tree: Tree, attempts: Sequence[Attempt]) -> None:
        if tree.mined:
            async with self._database.transaction() as tx:
                if not await trees.hold_submitted(tx, tree.tree_id):
                    return
                await transactions.mark_vanished(tx, tree.tree_id, now=self._clock.now())
                await trees.explain(tx, tree.tree_id, THROWN_OUT)
            metrics.reorganisations.labels(self._chain.name).inc()
            _log.warning("a reorganisation threw the transaction out", tree=str(tree.tree_id))
        if tree.sender is None or tree.nonce is None:
            return
        settled = await self._chain.settled_nonce_of(tree.sender, depth=self._confirmations)
        # The nonce is used for good. Look again before giving up: ours may have been mined between the two questions.
        if settled <= tree.nonce or await self._receipt(attempts) is not None:
            return
        event = await self._chain.find_anchored(tree.root)
        async with self._database.transaction() as tx:
            if not await trees.hold_submitted(tx, tree.tree_id):
                return
            if event is not None:
                await transactions.adopt(tx, tree.tree_id, event, now=self._clock.now())
                return
            await transactions.drop_all(tx, tree.tree_id)
            error = f"another transaction has used nonce {tree.nonce}: a new one is made"
            await trees.put_back(tx, tree.tree_id, TreeState.ABANDONED, error=error, now=self._clock.now())
        _log.warning("another transaction has our nonce: is the key used elsewhere?", nonce=tree.nonce)

    async def _confirm(
        self, tree: Tree, attempts: Sequence[Attempt], receipt: TransactionReceipt, event: AnchoredEvent
    ) -> int:
        now = self._clock.now()
        async with self._database.transaction() as tx:
            if not await trees.hold_submitted(tx, tree.tree_id):
                return 0
            if event.tx_hash != receipt.tx_hash:  # the root stood already: its event is what receipts must name
                await transactions.adopt(tx, tree.tree_id, event, now=now)
            await transactions.settle(tx, tree.tree_id, TransactionState.CONFIRMED, tx_hash=event.tx_hash, now=now)
            if receipt.succeeded:
                await chains.recover(tx, tree.chain_id, signed_at=_of(receipt, attempts).signed_at)
            else:  # somebody else anchored the root that ours was refused
                await transactions.mark_reverted(tx, receipt.tx_hash)
            confirmed = await trees.confirm(tx, tree.tree_id, now=now)
        metrics.transactions.labels(self._chain.name, "confirmed").inc()
        metrics.confirmed_roots.labels(self._chain.name).inc(confirmed)
        metrics.gas.labels(self._chain.name).inc(receipt.gas_used)
        _log.info("confirmed", tx_hash=event.tx_hash, roots=confirmed)
        return confirmed

    async def _put_back(self, tree: Tree, attempts: Sequence[Attempt], receipt: TransactionReceipt) -> None:
        """The transaction used its nonce up for nothing: its roots are in the line again, with the reason.

        None of them is given up, and nobody is told: the next transaction for them may do it. What keeps us from paying
        for one after another is `chains.refuse`, and the estimate before each signature.
        """
        what = await self._what_became(tree, attempts, receipt)
        now = self._clock.now()
        async with self._database.transaction() as tx:
            if not await trees.hold_submitted(tx, tree.tree_id):
                return
            await transactions.settle(tx, tree.tree_id, TransactionState.REVERTED, tx_hash=receipt.tx_hash, now=now)
            if receipt.succeeded:  # one that did not succeed was counted when it came into its block
                await self._refuse(tx, tree, receipt, what)
            back = await trees.put_back(tx, tree.tree_id, TreeState.FAILED, error=what, now=now)
        metrics.transactions.labels(self._chain.name, "failed").inc()
        metrics.gas.labels(self._chain.name).inc(receipt.gas_used)
        _log.error("a transaction failed: its roots go back to the line", what=what, nonce=tree.nonce, roots=back)

    async def _refuse(self, tx: Transaction, tree: Tree, receipt: TransactionReceipt, what: str) -> None:
        count = await chains.refuse(
            tx, chain_id=tree.chain_id, sender=self._chain.sender, refusal=what, now=self._clock.now()
        )
        _log.error("a transaction was executed in vain", tx_hash=receipt.tx_hash, what=what, in_a_row=count)

    async def _what_became(self, tree: Tree, attempts: Sequence[Attempt], receipt: TransactionReceipt) -> str:
        """Say what happened to a transaction that did not anchor its root, for operators and whoever else asks."""
        if receipt.succeeded:
            return f"transaction {receipt.tx_hash} was executed and did not anchor the root"
        if receipt.gas_used == _of(receipt, attempts).gas_limit:
            return f"transaction {receipt.tx_hash} was executed and ran out of gas"
        reason = await self._reason(tree, receipt)
        return f"transaction {receipt.tx_hash} was executed and refused by the contract" + (reason and f": {reason}")

    async def _reason(self, tree: Tree, receipt: TransactionReceipt) -> str:
        """A receipt carries no reason. The contract, asked the same on the state after the block, often has one."""
        assert tree.sender is not None  # noqa: S101 - given with the nonce, before anything is signed
        try:
            found = await self._chain.why_refused(
                tree.sized_root, sender=tree.sender, block_number=receipt.block_number
            )
        except (ChainRefused, ChainUnavailable):  # a nicety, which must not keep the roots from their line
            return ""
        return found[:_LONGEST_REASON]


def _of(receipt: TransactionReceipt, attempts: Sequence[Attempt]) -> Attempt:
    return next(attempt for attempt in attempts if attempt.tx_hash == receipt.tx_hash)


def _event_of(tree: Tree, receipt: TransactionReceipt) -> AnchoredEvent | None:
    return next((event for event in receipt.events if event.root == tree.root and event.size == tree.size), None)
