"""Several nodes of one chain as if they were one: the next answers when one fails, and what decides is asked of all.

`NodesReader` is a `ChainReader` over `EvmReader`s, `NodesChain` a `Chain` over `EvmChain`s. Ordinary questions go
to the first node that answers, in the order of the settings. A node has to show that it is of our chain (id,
genesis block, contract) before its first answer counts, and again after each failure.

**Who is believed.** One node can be wrong, lag, or lie. So nothing final rests on one node's word while others
answer: `corroborate`, and the nonces that we sign with or give up, follow more than half of the nodes that answer.
A node whose head is minutes behind the others' is stalled, and has no say. *Alternative:* a fixed quorum, which
turns the outage of a minority into our outage when there are but two nodes, and says nothing more when all answer.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from services.anchor import metrics
from services.anchor.chain import EvmChain, EvmReader
from services.anchor.chain_errors import NodesDisagree, WrongChain
from services.anchor.chain_types import (
    AnchoredEvent,
    Broadcast,
    ChainTransaction,
    Fees,
    Head,
    SignedTransaction,
    SizedRoot,
    TransactionReceipt,
)
from services.anchor.checks import depth as depth_of
from services.common.clock import Clock
from services.common.errors import ChainUnavailable
from services.common.logs import get_logger

_REST_SECONDS = 15
_STALLED_SECONDS = 300

_BEST_FIRST = (
    Broadcast.ALREADY_MINED,
    Broadcast.ACCEPTED,
    Broadcast.ALREADY_KNOWN,
    Broadcast.UNDERPRICED,
    Broadcast.NONCE_USED,  # one that is behind or lies must not keep the others' pools from taking it
)

C = TypeVar("C", bound=EvmReader)
T = TypeVar("T")

_log = get_logger(__name__)


class _Node(Generic[C]):
    """One node, and whether it is fit to be asked. Its number stands for it: a URL may hold a provider's key."""

    def __init__(self, number: int, chain: C, of: str) -> None:
        self.number = number
        self._of = of
        self.chain = chain
        self._checked = False
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        return time.monotonic() < self._rests_until

    async def ask(self, question: Callable[[C], Awaitable[T]]) -> T:
        try:
            if not self._checked:
                await self.chain.check()
                self._checked = True
            return await question(self.chain)
        except ChainUnavailable as error:
            self._checked = False
            self._rests_until = time.monotonic() + _REST_SECONDS
            wrong = isinstance(error, WrongChain)
            metrics.node_failures.labels(self._of, "wrong_chain" if wrong else "unavailable").inc()
            (_log.error if wrong else _log.warning)("a node failed", chain=self._of, node=self.number, error=str(error))
            raise


class NodesReader(Generic[C]):
    """A `ChainReader` over one or more nodes."""

    def __init__(self, chains: Sequence[C], *, name: str, clock: Clock) -> None:
        """`chains` are of one chain and one contract, the preferred node first. ValueError without one.

        `name` is the chain's name in the settings.
        """
        if not chains:
            raise ValueError("a chain needs at least one node")
        self._nodes = [_Node(number, chain, name) for number, chain in enumerate(chains, 1)]
        self._one = chains[0]
        self.name = name
        self._clock = clock

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id."""
        return self._one.chain_id

    @property
    def contract_address(self) -> str:
        """Checksummed address of the registry contract."""
        return self._one.contract_address

    async def check(self) -> None:
        """WrongChain when a node is of another chain or without our contract; ChainUnavailable when none answers.

        One wrong node among right ones is left out, loudly: `_Node.ask` logs it.
        """
        await self._each(lambda chain: chain.check())

    async def genesis(self) -> str:
        """Hash of the chain's first block."""
        return await self._first(lambda chain: chain.genesis())

    async def head(self) -> Head:
        """The newest block."""
        return await self._first(lambda chain: chain.head())

    async def block_hash(self, number: int) -> str | None:
        """Hash of the block at that height now, None above the head."""
        return await self._first(lambda chain: chain.block_hash(number))

    async def balance_of(self, address: str) -> int:
        """Wei that an address holds."""
        return await self._first(lambda chain: chain.balance_of(address))

    async def settled_nonce_of(self, address: str, *, depth: int) -> int:
        """The next nonce of an address at a depth: what more than half of the nodes have reached at least."""
        return _reached(await self._each(lambda chain: chain.settled_nonce_of(address, depth=depth)))

    async def transaction(self, tx_hash: str) -> ChainTransaction | None:
        """A transaction in the pool or in a block."""
        return await self._first(lambda chain: chain.transaction(tx_hash))

    async def receipt(self, tx_hash: str) -> TransactionReceipt | None:
        """The receipt of a mined transaction."""
        return await self._first(lambda chain: chain.receipt(tx_hash))

    async def anchored_at(self, root: bytes) -> int | None:
        """Time of the block that anchored the root."""
        return await self._first(lambda chain: chain.anchored_at(root))

    async def find_anchored(self, root: bytes) -> AnchoredEvent | None:
        """The event that anchored the root."""
        return await self._first(lambda chain: chain.find_anchored(root))

    async def aclose(self) -> None:
        """Close the connections."""
        for node in self._nodes:
            await node.chain.aclose()

    async def _first(self, question: Callable[[C], Awaitable[T]]) -> T:
        """Return the first answer; raise the preferred node's failure when there is none."""
        failures: list[ChainUnavailable] = []
        for node in sorted(self._nodes, key=lambda node: node.rests):  # one that rests is better than none
            try:
                return await node.ask(question)
            except ChainUnavailable as error:
                failures.append(error)
        raise failures[0]

    async def _each(self, question: Callable[[C], Awaitable[T]]) -> list[T]:
        """Return what each node answers that does, at least one; raise as `_first`."""
        answers = await asyncio.gather(*(node.ask(question) for node in self._nodes), return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        for failure in failures:
            if not isinstance(failure, ChainUnavailable):
                raise failure
        if len(failures) == len(answers):
            raise next((failure for failure in failures if isinstance(failure, WrongChain)), failures[0])
        return [answer for answer in answers if not isinstance(answer, BaseException)]


class NodesChain(NodesReader[EvmChain]):
    """A `Chain` over one or more nodes."""

    @property
    def sender(self) -> str:
        """Checksummed address that signs and pays."""
        return self._one.sender

    async def pending_nonce(self) -> int:
        """The next nonce of the sender after what waits in a pool."""
        return await self._first(lambda chain: chain.pending_nonce())

    async def mined_nonce(self) -> int:
        """The next nonce of the sender: what more than half of the nodes have reached at least."""
        return _reached(await self._each(lambda chain: chain.mined_nonce()))

    async def balance(self) -> int:
        """Wei that the sender holds."""
        return await self._first(lambda chain: chain.balance())

    async def suggest_fees(self) -> Fees:
        """Fees for now, under the ceiling."""
        return await self._first(lambda chain: chain.suggest_fees())

    async def estimate_anchor(self, roots: Sequence[SizedRoot]) -> int:
        """Gas limit for anchoring these roots now."""
        return await self._first(lambda chain: chain.estimate_anchor(roots))

    async def why_refused(self, root: SizedRoot, *, sender: str, block_number: int) -> str:
        """The contract's reason to refuse a sender this root on the state of a block."""
        return await self._first(lambda chain: chain.why_refused(root, sender=sender, block_number=block_number))

    async def sign_anchor(
        self, roots: Sequence[SizedRoot], *, nonce: int, fees: Fees, gas_limit: int | None = None
    ) -> SignedTransaction:
        """The transaction that anchors the roots, told to nobody yet."""
        limit = await self.estimate_anchor(roots) if gas_limit is None else gas_limit
        return await self._one.sign_anchor(roots, nonce=nonce, fees=fees, gas_limit=limit)

    async def sign_filler(self, *, nonce: int, fees: Fees) -> SignedTransaction:
        """A transaction that does nothing but use a nonce."""
        return await self._first(lambda chain: chain.sign_filler(nonce=nonce, fees=fees))

    async def broadcast(self, raw: bytes) -> Broadcast:
        """Hand a signed transaction to every node: one that takes it and passes it on to nobody must not be alone.

        What the most helpful of them says counts. Raises when none of them took or knew it.
        """
        questions = (node.ask(lambda chain: chain.broadcast(raw)) for node in self._nodes)
        answers = await asyncio.gather(*questions, return_exceptions=True)
        said = {answer for answer in answers if isinstance(answer, Broadcast)}
        for outcome in _BEST_FIRST:
            if outcome in said:
                return outcome
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        raise next((failure for failure in failures if not isinstance(failure, ChainUnavailable)), failures[0])

    async def corroborate(self, receipt: TransactionReceipt, *, depth: int) -> None:
        """See that more than half of the nodes have this receipt at this depth; NodesDisagree."""

        async def opinion(chain: EvmChain) -> tuple[Head, bool]:
            head = await chain.head()
            deep = depth_of(head.number, receipt.block_number) >= depth
            in_chain = await chain.block_hash(receipt.block_number) == receipt.block_hash
            return head, deep and in_chain and await chain.receipt(receipt.tx_hash) == receipt

        opinions = await self._each(opinion)
        newest = min(max(head.timestamp for head, _ in opinions), int(self._clock.now().timestamp()))
        votes = [vote for head, vote in opinions if head.timestamp >= newest - _STALLED_SECONDS]
        agreed = votes.count(True)
        if agreed < len(votes):
            metrics.node_disagreements.labels(self.name).inc()
            _log.error("nodes disagree", tx_hash=receipt.tx_hash, block=receipt.block_number, yes=agreed, of=len(votes))
        if 2 * agreed <= len(votes):
            raise NodesDisagree(f"{agreed} of {len(votes)} nodes have transaction {receipt.tx_hash} deep enough")


def _reached(values: Sequence[int]) -> int:
    """Return the highest value that more than half of these have reached: of two the lower, of three the middle one."""
    return sorted(values)[(len(values) - 1) // 2]
