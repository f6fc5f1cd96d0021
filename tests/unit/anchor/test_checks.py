"""How what the chain says is judged: every combination has one answer."""

from datetime import UTC, datetime

import pytest

from services.anchor.chain_types import AnchoredEvent, ChainTransaction, Head, SizedRoot, TransactionReceipt
from services.anchor.checks import (
    Failure,
    Seen,
    Subject,
    depth,
    failure_of_transaction,
    failure_on_chain,
    steps_on_chain,
)
from services.anchor.model import AnchorState, Inclusion

ROOT = b"\x01" * 32
INCLUSION = Inclusion(
    leaf_index=0, tree_size=3, root=ROOT, path=(), chain_id=1, contract="0xC", tx_hash="0x1", block_number=5
)


STORED = SizedRoot(ROOT, 3)


def seen(
    found: TransactionReceipt | None, *, to: str | None = None, anchored_at: int | None = None, confirmations: int = 2
) -> Seen:
    """A look at a chain whose head makes the receipt's block that deep; `to` is whom the transaction called."""
    transaction = None if to is None else ChainTransaction("0x1", "0xW", to, 0, None if found is None else 5)
    head = Head(number=5 + confirmations - 1, block_hash="0xh", timestamp=1, base_fee_wei=1)
    return Seen(head, datetime(2026, 1, 1, tzinfo=UTC), found, transaction, anchored_at)


def receipt(*events: tuple[bytes, int], succeeded: bool = True) -> TransactionReceipt:
    return TransactionReceipt(
        tx_hash="0x1",
        succeeded=succeeded,
        block_number=5,
        block_hash="0xb",
        gas_used=1,
        gas_price_wei=1,
        contract_address=None,
        events=tuple(AnchoredEvent(root, size, 1, "0xW", "0x1", 5, "0xb") for root, size in events),
    )


OURS = receipt((ROOT, 3))
FOREIGN = receipt((b"\x09" * 32, 3))
OTHER_SIZE = receipt((ROOT, 4))
SILENT = receipt()
REFUSED = receipt(succeeded=False)
STOOD, NEVER = 1_700_000_000, None
SUBMITTED, CONFIRMED, FAILED = AnchorState.SUBMITTED, AnchorState.CONFIRMED, AnchorState.FAILED


@pytest.mark.parametrize(
    ("state", "found", "to", "anchored_at", "confirmations", "expected"),
    [
        (CONFIRMED, OURS, None, STOOD, 2, None),
        (SUBMITTED, OURS, None, STOOD, 2, None),
        (CONFIRMED, OURS, None, STOOD, 1, Failure.TOO_FEW_CONFIRMATIONS),
        (SUBMITTED, OURS, None, STOOD, 0, Failure.TOO_FEW_CONFIRMATIONS),
        (SUBMITTED, None, "0xC", NEVER, 0, Failure.NOT_ANCHORED_YET),
        (SUBMITTED, None, None, STOOD, 0, Failure.NOT_ANCHORED_YET),
        (CONFIRMED, None, None, NEVER, 0, Failure.ROOT_NOT_ON_CHAIN),
        (CONFIRMED, OURS, None, NEVER, 2, Failure.ROOT_NOT_ON_CHAIN),
        (CONFIRMED, SILENT, "0xC", NEVER, 2, Failure.ROOT_NOT_ON_CHAIN),
        (CONFIRMED, None, None, STOOD, 0, Failure.UNKNOWN_TRANSACTION),
        (CONFIRMED, SILENT, "0xD", STOOD, 2, Failure.WRONG_CONTRACT),
        (CONFIRMED, SILENT, "0xC", STOOD, 2, Failure.WRONG_ROOT),
        (CONFIRMED, FOREIGN, None, STOOD, 2, Failure.WRONG_ROOT),
        (CONFIRMED, OTHER_SIZE, None, STOOD, 2, Failure.WRONG_ROOT),
        (FAILED, REFUSED, "0xC", NEVER, 2, Failure.TRANSACTION_FAILED),
        (SUBMITTED, REFUSED, "0xC", NEVER, 1, Failure.TRANSACTION_FAILED),
        (CONFIRMED, REFUSED, "0xC", STOOD, 2, Failure.TRANSACTION_FAILED),
    ],
)
def test_every_combination_of_a_batch_has_its_answer(
    *,
    state: AnchorState,
    found: TransactionReceipt | None,
    to: str | None,
    anchored_at: int | None,
    confirmations: int,
    expected: Failure | None,
) -> None:
    look = seen(found, to=to, anchored_at=anchored_at, confirmations=confirmations)
    assert failure_on_chain(state, INCLUSION, look, contract="0xC", required=2) is expected


@pytest.mark.parametrize(
    ("found", "to", "stored", "confirmations", "expected"),
    [
        (OURS, None, STORED, 2, None),
        (OURS, None, STORED, 1, Failure.TOO_FEW_CONFIRMATIONS),
        (OURS, None, None, 2, Failure.WRONG_ROOT),
        (FOREIGN, None, STORED, 2, Failure.WRONG_ROOT),
        (OTHER_SIZE, None, STORED, 2, Failure.WRONG_ROOT),
        (SILENT, "0xC", STORED, 2, Failure.ROOT_NOT_ON_CHAIN),
        (SILENT, "0xD", None, 2, Failure.WRONG_CONTRACT),
        (REFUSED, "0xC", STORED, 2, Failure.TRANSACTION_FAILED),
        (REFUSED, "0xD", None, 2, Failure.WRONG_CONTRACT),
        (None, "0xC", STORED, 0, Failure.NOT_ANCHORED_YET),
        (None, "0xD", None, 0, Failure.WRONG_CONTRACT),
    ],
)
def test_every_combination_of_a_transaction_has_its_answer(
    found: TransactionReceipt | None,
    to: str | None,
    stored: SizedRoot | None,
    confirmations: int,
    expected: Failure | None,
) -> None:
    look = seen(found, to=to, confirmations=confirmations)
    assert failure_of_transaction(look, expected=stored, contract="0xC", required=2) is expected


def test_every_step_says_what_was_seen_even_after_one_that_does_not_hold() -> None:
    look = seen(FOREIGN, anchored_at=STOOD, confirmations=1)
    steps = steps_on_chain(look, expected=STORED, contract="0xC", required=2, ask_root=True)
    assert [(step.subject, step.holds) for step in steps] == [
        (Subject.TRANSACTION, True),
        (Subject.EVENT, False),
        (Subject.ROOT, True),
        (Subject.DEPTH, False),
    ]
    event, depth_step = steps[1].detail, steps[3].detail
    assert "09" * 32 in event
    assert "01" * 32 in event
    assert depth_step == "1 of 2 confirmations at block 5"


@pytest.mark.parametrize(("head", "block", "expected"), [(10, 10, 1), (11, 10, 2), (10, 11, 0), (0, 0, 1)])
def test_a_block_counts_itself_and_what_is_above_it(head: int, block: int, expected: int) -> None:
    assert depth(head, block) == expected
