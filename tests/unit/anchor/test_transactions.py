"""Transactions to the contract: call data, fields, fees of a replacement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anchor.chain_errors import FeeAboveCeiling
from services.anchor.chain_types import Fees, SizedRoot
from services.anchor.transactions import encode_anchor, encode_call, fields_of, replacement_fees
from voketag_kernel.receipts import ANCHORED_AT_SELECTOR

GWEI = 10**9
wei = st.integers(min_value=0, max_value=10**15)
TO = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


def test_one_root_calls_anchor() -> None:
    # selector of anchor(bytes32,uint64), root, size
    assert encode_anchor([SizedRoot(b"\xaa" * 32, 5)]).hex() == "db2c4aca" + "aa" * 32 + "00" * 31 + "05"


def test_several_roots_call_anchor_many() -> None:
    # selector of anchorMany((bytes32,uint64)[]), offset, count, root, size, root, size
    assert encode_anchor([SizedRoot(b"\xaa" * 32, 5), SizedRoot(b"\xbb" * 32, 256)]).hex() == (
        "1b1ecdc2" + "00" * 31 + "20" + "00" * 31 + "02" + "aa" * 32 + "00" * 31 + "05" + "bb" * 32 + "00" * 30 + "0100"
    )


@pytest.mark.parametrize("count", [0, 257])
def test_no_roots_or_too_many_make_no_transaction(count: int) -> None:
    with pytest.raises(ValueError, match=f"1..256 roots, not {count}"):
        encode_anchor([SizedRoot(b"\xaa" * 32, 1)] * count)


def test_fees_with_a_tip_make_a_type_2_transaction() -> None:
    fields = fields_of(chain_id=1, to=TO, data=b"\x01", nonce=7, gas_limit=9, fees=Fees(3 * GWEI, GWEI))
    assert fields == {
        "type": 2,
        "chainId": 1,
        "to": TO,
        "data": b"\x01",
        "value": 0,
        "nonce": 7,
        "gas": 9,
        "maxFeePerGas": 3 * GWEI,
        "maxPriorityFeePerGas": GWEI,
    }


def test_fees_without_a_tip_make_a_legacy_transaction() -> None:
    fields = fields_of(chain_id=1, to=None, data=b"\x01", nonce=7, gas_limit=9, fees=Fees(3 * GWEI, None))
    assert fields == {"chainId": 1, "data": b"\x01", "value": 0, "nonce": 7, "gas": 9, "gasPrice": 3 * GWEI}


@given(stuck_max=wei, stuck_tip=wei, fresh_max=wei, fresh_tip=wei)
def test_a_replacement_beats_the_stuck_fees_by_a_tenth_in_both_parts_and_is_valid(
    stuck_max: int, stuck_tip: int, fresh_max: int, fresh_tip: int
) -> None:
    stuck = Fees(stuck_max, min(stuck_tip, stuck_max))
    fresh = Fees(fresh_max, min(fresh_tip, fresh_max))
    fees = replacement_fees(stuck=stuck, fresh=fresh, ceiling_wei=10**18)
    assert fees.priority_wei is not None
    assert stuck.priority_wei is not None
    assert fees.max_wei * 10 >= stuck.max_wei * 11
    assert fees.priority_wei * 10 >= stuck.priority_wei * 11
    assert (fees.max_wei, fees.priority_wei) > (stuck.max_wei, stuck.priority_wei)
    assert fees.max_wei >= fresh.max_wei
    assert fees.priority_wei <= fees.max_wei


def test_a_legacy_replacement_stays_legacy() -> None:
    assert replacement_fees(stuck=Fees(800, None), fresh=Fees(5, None), ceiling_wei=1000) == Fees(901, None)


def test_a_replacement_may_reach_the_ceiling_and_not_pass_it() -> None:
    stuck = Fees(800, 80)
    assert replacement_fees(stuck=stuck, fresh=Fees(1, 1), ceiling_wei=901) == Fees(901, 91)
    with pytest.raises(FeeAboveCeiling, match="needs 901 wei per gas, the ceiling is 900"):
        replacement_fees(stuck=stuck, fresh=Fees(1, 1), ceiling_wei=900)


def test_the_kernel_asks_the_function_that_the_contract_has() -> None:
    assert encode_call("anchoredAt", ["bytes32"], [b"\xaa" * 32]).hex() == ANCHORED_AT_SELECTOR[2:] + "aa" * 32
