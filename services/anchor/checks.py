"""What a check against the chain found, and how it is judged. Pure."""

from dataclasses import dataclass
from enum import Enum

from services.anchor.chain_types import TransactionReceipt
from services.anchor.model import Anchor, AnchorState, Inclusion


class Failure(Enum):
    """Why a check did not pass; the values are those of `voketag.anchor.v1.VerificationFailure`."""

    NOT_ANCHORED_YET = 1
    TOO_FEW_CONFIRMATIONS = 2
    ROOT_NOT_ON_CHAIN = 3
    TRANSACTION_FAILED = 4
    WRONG_CONTRACT = 5
    PROOF_MISMATCH = 6


@dataclass(frozen=True, slots=True)
class BatchCheck:
    """What the chain says about a batch: `failure` None means that all is well.

    `anchored_at` is the contract's time, seconds since 1970; `checked_block` is the head that was asked, 0 for none.
    """

    anchor: Anchor
    failure: Failure | None
    anchored_at: int | None = None
    confirmations: int = 0
    checked_block: int = 0


@dataclass(frozen=True, slots=True)
class ProofCheck:
    """What became of a unit's proof. `batch` is None when the proof failed by itself: the chain was not asked then."""

    failure: Failure | None
    included: bool
    batch: BatchCheck | None


@dataclass(frozen=True, slots=True)
class TransactionCheck:
    """What a transaction did in our contract."""

    failure: Failure | None
    roots: tuple[bytes, ...] = ()
    block_number: int = 0
    confirmations: int = 0


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """How the chain and our work on it stand. `signer` is empty until a worker has run."""

    chain_id: int
    contract: str
    head_block: int
    head_time: int
    confirmations_required: int
    signer: str
    balance_wei: int
    pending: int
    submitted: int


def failure_on_chain(
    anchor: Anchor,
    inclusion: Inclusion,
    *,
    receipt: TransactionReceipt | None,
    anchored_at: int | None,
    confirmations: int,
    required: int,
) -> Failure | None:
    """Judge what the chain says about an anchor.

    `receipt` is that of the stored transaction, `anchored_at` what the contract says about the stored anchor root. Both
    must agree: the contract alone would not say how deep, the transaction alone not for which contract.
    """
    if receipt is not None and not receipt.succeeded:
        return Failure.TRANSACTION_FAILED
    if anchored_at is not None and receipt is not None and _anchors(receipt, inclusion):
        return None if confirmations >= required else Failure.TOO_FEW_CONFIRMATIONS
    if anchor.state is AnchorState.SUBMITTED:
        return Failure.NOT_ANCHORED_YET
    return Failure.ROOT_NOT_ON_CHAIN if anchored_at is None else Failure.WRONG_CONTRACT


def depth(head_number: int, block_number: int) -> int:
    """Return how many blocks a block has, its own included; 0 for one that is above the head that was asked."""
    return max(0, head_number - block_number + 1)


def _anchors(receipt: TransactionReceipt, inclusion: Inclusion) -> bool:
    return any(event.root == inclusion.root and event.size == inclusion.tree_size for event in receipt.events)
