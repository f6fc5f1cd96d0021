"""Receipts: every link is checked, and each way to break one is told apart."""

import json
import re
import sys
from dataclasses import replace

import pytest
from eth_utils.crypto import keccak
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from voketag_kernel import codes, receipts, rfc6962
from voketag_kernel.receipts import AnchorProof, Link, MalformedReceipt, Receipt, ReceiptMismatch

KEY = codes.UnitCodeKey(1, bytes(range(32)))
FACTS = json.dumps({"v": 1, "batch_id": "0190a7c0-0000-7000-8000-000000000001", "quantity": 5}, separators=(",", ":"))


@pytest.fixture
def receipt() -> Receipt:
    minted = [KEY.mint(number) for number in range(5)]
    leaves = [
        rfc6962.leaf_hash(
            receipts.unit_leaf_data(
                salt=unit.salt, raw_code=unit.raw, facts_hash=receipts.facts_hash(FACTS), serial=f"S{index}"
            )
        )
        for index, unit in enumerate(minted)
    ]
    root = rfc6962.root(leaves)
    others = [rfc6962.leaf_hash(receipts.root_leaf_data(bytes([n]) * 32, n)) for n in (1, 2)]
    anchored = [others[0], rfc6962.leaf_hash(receipts.root_leaf_data(root, 5)), others[1]]
    return Receipt(
        code=minted[3].code,
        serial="S3",
        batch_facts=FACTS,
        salt=minted[3].salt,
        leaf_index=3,
        tree_size=5,
        batch_root=root,
        inclusion_path=tuple(rfc6962.inclusion_path(3, leaves)),
        anchor=AnchorProof(
            leaf_index=1,
            tree_size=3,
            root=rfc6962.root(anchored),
            inclusion_path=tuple(rfc6962.inclusion_path(1, anchored)),
            chain_id=31337,
            contract="0x" + "ab" * 20,
            tx_hash="0x" + "cd" * 32,
            block_number=7,
        ),
    )


def test_a_receipt_survives_its_text(receipt: Receipt) -> None:
    assert receipts.parse(receipt.to_json()) == receipt


def test_a_good_receipt_proves_the_way_to_the_anchor_root(receipt: Receipt) -> None:
    checked = receipts.check_offline(receipt)
    assert receipt.anchor is not None
    assert checked.anchor_root == receipt.anchor.root
    assert checked.facts["quantity"] == 5


def test_a_receipt_without_an_anchor_proves_no_chain(receipt: Receipt) -> None:
    assert receipts.check_offline(replace(receipt, anchor=None)).anchor_root is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"serial": "S4"}, "unit is not in the batch"),
        ({"code": KEY.mint(4).code}, "unit is not in the batch"),
        ({"salt": bytes(16)}, "unit is not in the batch"),
        ({"batch_facts": FACTS.replace("-8000-", "-9000-")}, "unit is not in the batch"),
        ({"leaf_index": 2}, "unit is not in the batch"),
        ({"leaf_index": 5}, "unit is not in the batch"),
        ({"inclusion_path": ()}, "unit is not in the batch"),
        ({"tree_size": 4}, "as many leaves"),
        ({"batch_facts": FACTS.replace("5}", "5.0}")}, "as many leaves"),
        ({"batch_facts": "{}"}, "as many leaves"),
        ({"batch_root": bytes(32)}, "unit is not in the batch"),
    ],
)
def test_a_changed_receipt_is_refused(receipt: Receipt, change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ReceiptMismatch, match=complaint) as refused:
        receipts.check_offline(replace(receipt, **change))  # type: ignore[arg-type]
    assert refused.value.broken is (Link.FACTS if complaint == "as many leaves" else Link.UNIT)


@pytest.mark.parametrize("change", [{"root": bytes(32)}, {"leaf_index": 0}, {"inclusion_path": ()}, {"tree_size": 9}])
def test_a_changed_anchor_is_refused(receipt: Receipt, change: dict[str, object]) -> None:
    assert receipt.anchor is not None
    with pytest.raises(ReceiptMismatch, match="anchored tree") as refused:
        receipts.check_offline(replace(receipt, anchor=replace(receipt.anchor, **change)))  # type: ignore[arg-type]
    assert refused.value.broken is Link.ANCHOR


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_hash_digit_of_a_receipt_can_change_unnoticed(receipt: Receipt, data: st.DataObject) -> None:
    text = receipt.to_json()
    spans = [match.span(1) for match in re.finditer(r'"([0-9a-f]{32,64})"', text)]
    at = data.draw(st.sampled_from([at for span in spans for at in range(*span)]))
    changed = text[:at] + data.draw(st.sampled_from(sorted(set("0123456789abcdef") - {text[at]}))) + text[at + 1 :]
    with pytest.raises(ReceiptMismatch):
        receipts.check_offline(receipts.parse(changed))


@pytest.mark.parametrize("change", [{"code": "short"}, {"batch_facts": "{"}, {"batch_facts": "[5]"}])
def test_a_receipt_whose_texts_cannot_be_read_is_malformed(receipt: Receipt, change: dict[str, str]) -> None:
    with pytest.raises(MalformedReceipt, match=r"code|batch_facts"):
        receipts.check_offline(replace(receipt, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "voketag-receipt/v2"),
        ("code", 5),
        ("salt", "zz"),
        ("salt", "00"),
        ("leaf_index", -1),
        ("leaf_index", True),
        ("leaf_index", 1.0),
        ("leaf_index", 1 << 63),
        ("serial", "\ud800"),
        ("salt", " " + "00" * 15 + "0"),
        ("verified", True),
        ("tree_size", "5"),
        ("batch_root", "00" * 31),
        ("inclusion_path", "00"),
        ("inclusion_path", [1]),
        ("anchor", []),
        ("anchor", {}),
    ],
)
def test_a_field_of_the_wrong_form_is_named(receipt: Receipt, field: str, value: object) -> None:
    document = {**json.loads(receipt.to_json()), field: value}
    with pytest.raises(MalformedReceipt, match=field if field != "anchor" else "anchor|missing"):
        receipts.parse(document)


def test_bottomless_nesting_is_malformed_whatever_the_recursion_limit() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        for text in ("[" * 1_000_000, '{"format":' * 1_000_000):
            with pytest.raises(MalformedReceipt, match="nested"):
                receipts.parse(text)
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "\xff", '{"format":1}', "[" * 100])
def test_texts_that_are_no_receipts_are_malformed(text: str) -> None:
    with pytest.raises(MalformedReceipt):
        receipts.parse(text)


def test_a_name_that_stands_twice_is_refused(receipt: Receipt) -> None:
    text = receipt.to_json()
    with pytest.raises(MalformedReceipt, match="twice"):
        receipts.parse(text[: text.rindex("}")] + ', "anchor": null}')
    twice = replace(receipt, batch_facts=FACTS.replace("{", '{"quantity":9,', 1))
    with pytest.raises(MalformedReceipt, match="twice"):
        receipts.check_offline(twice)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("contract", "ab" * 20),
        ("contract", "0x" + "ab" * 21),
        ("tx_hash", "0x"),
        ("root", "0x" + "00" * 32),
        ("verified", "yes"),
    ],
)
def test_an_anchor_s_field_of_the_wrong_form_is_named(receipt: Receipt, field: str, value: str) -> None:
    document = json.loads(receipt.to_json())
    document["anchor"][field] = value
    with pytest.raises(MalformedReceipt, match=f"anchor: {field}"):
        receipts.parse(document)


def test_a_leaf_of_the_anchor_tree_binds_root_and_size() -> None:
    data = receipts.root_leaf_data(b"\xaa" * 32, 1_000_000)
    assert data.hex() == b"voketag/root/v1".hex() + "00" + "aa" * 32 + "00000000000f4240"


def test_the_contract_s_constants_are_those_of_its_signatures() -> None:
    assert "0x" + keccak(text="anchoredAt(bytes32)")[:4].hex() == receipts.ANCHORED_AT_SELECTOR
    assert "0x" + keccak(text="Anchored(bytes32,uint64,uint64,address)").hex() == receipts.ANCHORED_TOPIC


def test_only_the_contract_s_own_event_for_that_root_counts() -> None:
    log = {"address": "0x" + "AB" * 20, "topics": [receipts.ANCHORED_TOPIC, "0x" + "11" * 32, "0x" + "00" * 32]}
    root, contract = b"\x11" * 32, "0x" + "ab" * 20
    assert receipts.is_anchored_event(log, contract=contract, root=root)
    assert not receipts.is_anchored_event(log, contract="0x" + "ac" * 20, root=root)
    assert not receipts.is_anchored_event(log, contract=contract, root=bytes(32))
    assert not receipts.is_anchored_event({**log, "topics": log["topics"][:1]}, contract=contract, root=root)
    for topics in ([], [None, 5], None, "topics"):
        assert not receipts.is_anchored_event({**log, "topics": topics}, contract=contract, root=root)
    assert not receipts.is_anchored_event({}, contract=contract, root=root)
