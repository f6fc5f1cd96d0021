"""The chain as the anchor operations see it: `ChainReader`, `Chain`, and the values that go in and come out.

Pure: no I/O, no web3. Addresses and hashes are strings of hex with 0x (addresses checksummed, hashes lower-case), roots
are 32 raw bytes, money is in wei, times are seconds since 1970. `chain_errors` has the errors, `chain` the real chain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SizedRoot:
    """A Merkle root and the number of leaves under it."""

    root: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers per gas. `priority_wei` None means no base fee: `max_wei` is then the gas price."""

    max_wei: int
    priority_wei: int | None


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction to store and then broadcast. Its hash follows from `raw`, so it is known before anyone sees it."""

    raw: bytes
    tx_hash: str
    nonce: int
    fees: Fees
    gas_limit: int


@dataclass(frozen=True, slots=True)
class AnchoredEvent:
    """The contract's word that a root was anchored, and where it stands."""

    root: bytes
    size: int
    timestamp: int
    writer: str
    tx_hash: str
    block_number: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class TransactionReceipt:
    """A mined transaction. `events` holds only what our contract emitted; a root that already stood emits nothing.

    `gas_price_wei` is what was paid per gas, None where an old chain does not say.
    """

    tx_hash: str
    succeeded: bool
    block_number: int
    block_hash: str
    gas_used: int
    gas_price_wei: int | None
    contract_address: str | None
    events: tuple[AnchoredEvent, ...]


@dataclass(frozen=True, slots=True)
class ChainTransaction:
    """A transaction as the chain holds it; `block_number` is None while it waits in the pool."""

    tx_hash: str
    sender: str
    to: str | None
    nonce: int
    block_number: int | None


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block. `base_fee_wei` is None on a chain without EIP-1559."""

    number: int
    block_hash: str
    timestamp: int
    base_fee_wei: int | None


class Broadcast(Enum):
    """What became of a transaction that was handed to the node."""

    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already known"  # in the pool
    ALREADY_MINED = "already mined"  # in a block: ask for its receipt
    NONCE_USED = "nonce used"  # another transaction with this nonce was mined
    UNDERPRICED = "underpriced"  # raise the fees (`replacement_fees`) on the same nonce


class ChainReader(Protocol):
    """What anyone can ask the chain about our contract. Every method but `aclose` may raise ChainUnavailable."""

    @property
    def name(self) -> str:
        """The chain's name in the settings."""
        ...

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id."""
        ...

    @property
    def contract_address(self) -> str:
        """Checksummed address of the registry contract."""
        ...

    async def check(self) -> None:
        """See that the node is of this chain and that our contract stands on it. WrongChain if not."""
        ...

    async def genesis(self) -> str:
        """Hash of the chain's first block."""
        ...

    async def head(self) -> Head:
        """The newest block."""
        ...

    async def block_hash(self, number: int) -> str | None:
        """Hash of the block at that height now, None above the head; when it changes, the chain reorganised."""
        ...

    async def balance_of(self, address: str) -> int:
        """Wei that an address holds."""
        ...

    async def settled_nonce_of(self, address: str, *, depth: int) -> int:
        """The next nonce of an address after what was mined and has `depth` blocks: all below it stay settled."""
        ...

    async def transaction(self, tx_hash: str) -> ChainTransaction | None:
        """A transaction in the pool or in a block; None when the node knows none of that hash."""
        ...

    async def receipt(self, tx_hash: str) -> TransactionReceipt | None:
        """The receipt of a mined transaction; None while there is none."""
        ...

    async def anchored_at(self, root: bytes) -> int | None:
        """Time (seconds since 1970) of the block that anchored the root, None if the contract does not know it."""
        ...

    async def find_anchored(self, root: bytes) -> AnchoredEvent | None:
        """The one event that anchored the root, whoever sent it; None if the contract does not know it."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class Chain(ChainReader, Protocol):
    """What the one writer does beside. Every method may raise ChainUnavailable."""

    @property
    def sender(self) -> str:
        """Checksummed address that signs and pays."""
        ...

    async def pending_nonce(self) -> int:
        """The next nonce of the sender after everything that waits in this node's pool."""
        ...

    async def mined_nonce(self) -> int:
        """The next nonce of the sender after everything that was mined: all below it are settled."""
        ...

    async def balance(self) -> int:
        """Wei that the sender holds."""
        ...

    async def suggest_fees(self) -> Fees:
        """Twice the base fee, which survives five full blocks, and the usual tip. FeeAboveCeiling."""
        ...

    async def estimate_anchor(self, roots: Sequence[SizedRoot]) -> int:
        """Gas limit for anchoring these roots now, with a margin. ContractReverted, InsufficientFunds."""
        ...

    async def why_refused(self, root: SizedRoot, *, sender: str, block_number: int) -> str:
        """The contract's reason to refuse a sender this root on the state of a block; empty when it gives none.

        ChainRefused from a node that has not kept that state.
        """
        ...

    async def sign_anchor(
        self, roots: Sequence[SizedRoot], *, nonce: int, fees: Fees, gas_limit: int | None = None
    ) -> SignedTransaction:
        """The transaction that anchors the roots, told to nobody yet; `gas_limit` None means `estimate_anchor`."""
        ...

    async def sign_filler(self, *, nonce: int, fees: Fees) -> SignedTransaction:
        """A transaction that does nothing but use a nonce, told to nobody yet."""
        ...

    async def corroborate(self, receipt: TransactionReceipt, *, depth: int) -> None:
        """See that more than half of the nodes that answer have this receipt, `depth` blocks deep, its own included.

        NodesDisagree when they do not: then nothing may be decided.
        """
        ...

    async def broadcast(self, raw: bytes) -> Broadcast:
        """Hand a signed transaction to the node; safe to repeat. ChainRefused, InsufficientFunds.

        After ChainUnavailable the node may have it or not: broadcast the same bytes again. NONCE_USED is one node's
        view: look for receipts of all transactions stored with this nonce before giving any of them up.
        """
        ...
