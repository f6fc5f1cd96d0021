"""How what the chain says is judged: every combination has one answer."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.anchor.chain_types import AnchoredEvent, TransactionReceipt
from services.anchor.checks import Failure, depth, failure_on_chain
from services.anchor.model import Anchor, AnchorState, Inclusion

ROOT = b"\x01" * 32
INCLUSION = Inclusion(
    leaf_index=0, tree_size=3, root=ROOT, path=(), chain_id=1, contract="0xC", tx_hash="0x1", block_number=5
)


def anchor(state: AnchorState) -> Anchor:
    return Anchor(
        anchor_id=UUID(int=1),
        batch_id=UUID(int=2),
        merkle_root=b"\x02" * 32,
        tree_size=1,
        state=state,
        error="",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        confirmed_at=None,
        inclusion=INCLUSION,
    )


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
    ("state", "found", "anchored_at", "confirmations", "expected"),
    [
        (CONFIRMED, OURS, STOOD, 2, None),
        (SUBMITTED, OURS, STOOD, 2, None),
        (CONFIRMED, OURS, STOOD, 1, Failure.TOO_FEW_CONFIRMATIONS),
        (SUBMITTED, OURS, STOOD, 0, Failure.TOO_FEW_CONFIRMATIONS),
        (SUBMITTED, None, NEVER, 0, Failure.NOT_ANCHORED_YET),
        (SUBMITTED, None, STOOD, 0, Failure.NOT_ANCHORED_YET),
        (CONFIRMED, None, NEVER, 0, Failure.ROOT_NOT_ON_CHAIN),
        (CONFIRMED, OURS, NEVER, 2, Failure.ROOT_NOT_ON_CHAIN),
        (CONFIRMED, SILENT, NEVER, 2, Failure.ROOT_NOT_ON_CHAIN),
        (CONFIRMED, None, STOOD, 0, Failure.WRONG_CONTRACT),
        (CONFIRMED, SILENT, STOOD, 2, Failure.WRONG_CONTRACT),
        (CONFIRMED, FOREIGN, STOOD, 2, Failure.WRONG_CONTRACT),
        (CONFIRMED, OTHER_SIZE, STOOD, 2, Failure.WRONG_CONTRACT),
        (FAILED, REFUSED, NEVER, 2, Failure.TRANSACTION_FAILED),
        (SUBMITTED, REFUSED, NEVER, 1, Failure.TRANSACTION_FAILED),
        (CONFIRMED, REFUSED, STOOD, 2, Failure.TRANSACTION_FAILED),
    ],
)
def test_every_combination_has_its_answer(
    state: AnchorState,
    found: TransactionReceipt | None,
    anchored_at: int | None,
    confirmations: int,
    expected: Failure | None,
) -> None:
    judged = failure_on_chain(
        anchor(state), INCLUSION, receipt=found, anchored_at=anchored_at, confirmations=confirmations, required=2
    )
    assert judged is expected


@pytest.mark.parametrize(("head", "block", "expected"), [(10, 10, 1), (11, 10, 2), (10, 11, 0), (0, 0, 1)])
def test_a_block_counts_itself_and_what_is_above_it(head: int, block: int, expected: int) -> None:
    assert depth(head, block) == expected
