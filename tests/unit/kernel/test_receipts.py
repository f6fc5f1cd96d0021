"""Receipts: every link is checked, and each way to break one is told apart."""

import json
from dataclasses import replace

import pytest
from eth_utils.crypto import keccak

from voketag_kernel import codes, receipts, rfc6962
from voketag_kernel.receipts import AnchorProof, MalformedReceipt, Receipt, ReceiptMismatch

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
        ({"batch_root": bytes(32)}, "unit is not in the batch"),
    ],
)
def test_a_changed_receipt_is_refused(receipt: Receipt, change: dict[str, object], complaint: str) -> None:
    with pytest.raises(ReceiptMismatch, match=complaint):
        receipts.check_offline(replace(receipt, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"root": bytes(32)}, {"leaf_index": 0}, {"inclusion_path": ()}, {"tree_size": 9}])
def test_a_changed_anchor_is_refused(receipt: Receipt, change: dict[str, object]) -> None:
    assert receipt.anchor is not None
    with pytest.raises(ReceiptMismatch, match="anchored tree"):
        receipts.check_offline(replace(receipt, anchor=replace(receipt.anchor, **change)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "voketag-receipt/v2"),
        ("code", 5),
        ("salt", "zz"),
        ("salt", "00"),
        ("leaf_index", -1),
        ("leaf_index", True),
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


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "\xff", '{"format":1}'])
def test_texts_that_are_no_receipts_are_malformed(text: str) -> None:
    with pytest.raises(MalformedReceipt):
        receipts.parse(text)


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
    assert not receipts.is_anchored_event({}, contract=contract, root=root)
