"""What a check against the chain found, step by step, and how it is judged. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from services.anchor.chain_types import ChainTransaction, Head, SizedRoot, TransactionReceipt
from services.anchor.model import Anchor, AnchorState, Inclusion, Standing


class Failure(Enum):
    """Why a check did not pass; the values are those of `voketag.anchor.v1.VerificationFailure`."""

    NOT_ANCHORED_YET = 1
    TOO_FEW_CONFIRMATIONS = 2
    ROOT_NOT_ON_CHAIN = 3
    TRANSACTION_FAILED = 4
    WRONG_CONTRACT = 5
    PROOF_MISMATCH = 6
    UNKNOWN_TRANSACTION = 7
    WRONG_ROOT = 8
    DRY_RUN = 9


class Subject(Enum):
    """What a step looked at; the values are those of `voketag.anchor.v1.VerificationSubject`."""

    INCLUSION = 1
    CONTRACT = 2
    TRANSACTION = 3
    EVENT = 4
    ROOT = 5
    DEPTH = 6


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was looked at: whether it is as it should be, and what was seen."""

    subject: Subject
    holds: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the chain showed of a transaction and a root.

    The head was asked first, so that depth is never overstated. `anchored_at` is the contract's own word, seconds since
    1970. `transaction` may be left None when the receipt has events of our contract.
    """

    head: Head
    at: datetime
    receipt: TransactionReceipt | None
    transaction: ChainTransaction | None = None
    anchored_at: int | None = None

    @property
    def confirmations(self) -> int:
        """Blocks of the transaction, its own included."""
        return 0 if self.receipt is None else depth(self.head.number, self.receipt.block_number)


@dataclass(frozen=True, slots=True)
class BatchCheck:
    """What the chain says about a batch: `failure` None means that all is well. Without `seen` it was not asked."""

    anchor: Anchor
    failure: Failure | None
    steps: tuple[Step, ...]
    required: int
    seen: Seen | None = None


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
    steps: tuple[Step, ...]
    required: int
    chain_id: int
    contract: str
    seen: Seen

    @property
    def roots(self) -> tuple[bytes, ...]:
        """The roots that its events carry."""
        return () if self.seen.receipt is None else tuple(event.root for event in self.seen.receipt.events)


@dataclass(frozen=True, slots=True)
class ChainNow:
    """What a node says of a chain and of who signs there. `nonce` and `balance_wei` are 0 until a worker has run."""

    head: Head
    nonce: int
    balance_wei: int


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """How a chain and our work on it stand. `now` is None when no node answers."""

    chain: str
    chain_id: int
    contract: str
    confirmations_required: int
    standing: Standing
    counts: Mapping[AnchorState, int]
    oldest_pending_at: datetime | None
    cost_per_root_wei: int | None
    now: ChainNow | None
    at: datetime
    chains: tuple[str, ...]


def steps_offline(anchor: Anchor, inclusion: Inclusion, *, chain_id: int, contract: str) -> tuple[Step, ...]:
    """Return what can be looked at before the chain is asked."""
    ours = (inclusion.chain_id, inclusion.contract) == (chain_id, contract)
    included = anchor.is_included()
    return (
        Step(
            Subject.CONTRACT,
            ours,
            f"the stored anchor is on chain {inclusion.chain_id} in {inclusion.contract}, which is "
            + ("where this service anchors" if ours else f"not {contract} on chain {chain_id}"),
        ),
        Step(
            Subject.INCLUSION,
            included,
            f"the stored path leads from the batch's root {'' if included else 'not '}to the anchor root",
        ),
    )


def failure_offline(steps: Sequence[Step]) -> Failure | None:
    """Judge what `steps_offline` found."""
    failures = {Subject.CONTRACT: Failure.WRONG_CONTRACT, Subject.INCLUSION: Failure.PROOF_MISMATCH}
    return next((failures[step.subject] for step in steps if not step.holds), None)


def steps_on_chain(
    seen: Seen, *, expected: SizedRoot | None, contract: str, required: int, ask_root: bool
) -> tuple[Step, ...]:
    """Return what was looked at on the chain. `expected` is the stored root, None when none is stored."""
    steps = [_transaction_step(seen), _event_step(seen, expected, contract)]
    if ask_root:
        stands = seen.anchored_at is not None
        at = f"holds the root since {seen.anchored_at}" if stands else "does not hold the root"
        steps.append(Step(Subject.ROOT, stands, f"the contract {at}, asked at block {seen.head.number}"))
    deep = f"{seen.confirmations} of {required} confirmations at block {seen.head.number}"
    return (*steps, Step(Subject.DEPTH, seen.confirmations >= required, deep))


def failure_on_chain(
    state: AnchorState, inclusion: Inclusion, seen: Seen, *, contract: str, required: int
) -> Failure | None:
    """Judge what the chain says about an anchor.

    The receipt is that of the stored transaction, `anchored_at` what the contract says about the stored anchor root.
    Both must agree: the contract alone would not say how deep, the transaction alone not for which contract.
    """
    receipt = seen.receipt
    if receipt is not None and not receipt.succeeded:
        return Failure.TRANSACTION_FAILED
    stands = seen.anchored_at is not None
    if stands and receipt is not None and _carries(receipt, SizedRoot(inclusion.root, inclusion.tree_size)):
        return None if seen.confirmations >= required else Failure.TOO_FEW_CONFIRMATIONS
    if state is AnchorState.SUBMITTED:
        return Failure.NOT_ANCHORED_YET
    if not stands:
        return Failure.ROOT_NOT_ON_CHAIN
    if receipt is None:
        return Failure.UNKNOWN_TRANSACTION
    return Failure.WRONG_ROOT if _is_of(contract, seen) else Failure.WRONG_CONTRACT


def failure_of_transaction(seen: Seen, *, expected: SizedRoot | None, contract: str, required: int) -> Failure | None:
    """Judge what the chain says about a transaction that it knows."""
    receipt = seen.receipt
    if receipt is None:
        return Failure.NOT_ANCHORED_YET if _is_of(contract, seen) else Failure.WRONG_CONTRACT
    if not _is_of(contract, seen):
        return Failure.WRONG_CONTRACT
    if not receipt.succeeded:
        return Failure.TRANSACTION_FAILED
    if not receipt.events:
        return Failure.ROOT_NOT_ON_CHAIN
    if expected is None or not _carries(receipt, expected):
        return Failure.WRONG_ROOT
    return None if seen.confirmations >= required else Failure.TOO_FEW_CONFIRMATIONS


def depth(head_number: int, block_number: int) -> int:
    """Return how many blocks a block has, its own included; 0 for one that is above the head that was asked."""
    return max(0, head_number - block_number + 1)


def _transaction_step(seen: Seen) -> Step:
    receipt = seen.receipt
    if receipt is None:
        known = "waits in the pool" if seen.transaction is not None else "is in no block"
        return Step(Subject.TRANSACTION, False, f"the transaction {known}")
    if not receipt.succeeded:
        return Step(Subject.TRANSACTION, False, f"{receipt.tx_hash} is in block {receipt.block_number}, and failed")
    return Step(Subject.TRANSACTION, True, f"{receipt.tx_hash} succeeded in block {receipt.block_number}")


def _event_step(seen: Seen, expected: SizedRoot | None, contract: str) -> Step:
    carried = () if seen.receipt is None else seen.receipt.events
    if expected is None:
        return Step(Subject.EVENT, False, "no root is stored for this transaction")
    wanted = f"{expected.root.hex()} of {expected.size} leaves"
    if any((event.root, event.size) == (expected.root, expected.size) for event in carried):
        return Step(Subject.EVENT, True, f"{contract} emitted Anchored with {wanted}")
    found = ", ".join(f"{event.root.hex()} of {event.size}" for event in carried[:3]) or "no event"
    return Step(Subject.EVENT, False, f"{contract} emitted {found}, not Anchored with {wanted}")


def _is_of(contract: str, seen: Seen) -> bool:
    """An event is the contract's own word, whoever called it; without one, the recipient says whose call it was."""
    if seen.receipt is not None and seen.receipt.events:
        return True
    return seen.transaction is not None and seen.transaction.to == contract


def _carries(receipt: TransactionReceipt, expected: SizedRoot) -> bool:
    return any((event.root, event.size) == (expected.root, expected.size) for event in receipt.events)
