"""Receipts without a chain: every link is checked, and nothing but a VerifiedReceipt means that it holds."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.sdk.receipt_maker import make_receipt
from voketag_sdk import errors, parse_receipt, verify_receipt

RECEIPT = make_receipt()


def test_a_good_receipt_is_consistent_and_says_that_no_chain_was_asked() -> None:
    verified = verify_receipt(RECEIPT)
    assert verified.receipt == RECEIPT
    assert verified.facts["quantity"] == 5
    assert verified.chain is None
    assert verified.existed_at is None


@pytest.mark.parametrize("form", [RECEIPT.to_json(), RECEIPT.to_json().encode(), json.loads(RECEIPT.to_json())])
def test_a_receipt_may_come_as_text_bytes_or_decoded_json(form: Any) -> None:
    assert verify_receipt(form, code=RECEIPT.code).receipt == RECEIPT


def test_a_receipt_without_an_anchor_is_never_valid() -> None:
    with pytest.raises(errors.NotAnchored):
        verify_receipt(replace(RECEIPT, anchor=None))
    with pytest.raises(errors.NotAnchored):
        verify_receipt(
            {**json.loads(RECEIPT.to_json()), "anchor": None}, "http://127.0.0.1:9", contract="0x" + "ab" * 20
        )


# A path of two hashes fits trees of 3 and 4 leaves alike: the chain's own record of the size tells them apart.
ONLY_THE_CHAIN_KNOWS = {f"anchor.{name}" for name in ("tree_size", "chain_id", "contract", "tx_hash", "block_number")}


def _changes(document: dict[str, Any], prefix: str = "") -> list[str]:
    """Paths of every field that offline checks can see."""
    names = []
    for name, value in document.items():
        if isinstance(value, dict):
            names += _changes(value, f"{prefix}{name}.")
        elif prefix + name not in ONLY_THE_CHAIN_KNOWS:
            names.append(prefix + name)
    return names


def _other(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    if isinstance(value, list):
        return value[1:]
    return ("1" if value[0] != "1" else "2") + value[1:]


@pytest.mark.parametrize("path", _changes(json.loads(RECEIPT.to_json())))
def test_a_change_of_any_field_is_found(path: str) -> None:
    document = json.loads(RECEIPT.to_json())
    *parents, name = path.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    place[name] = _other(place[name])
    with pytest.raises(errors.ReceiptError):
        verify_receipt(document)


def test_a_receipt_of_another_code_is_refused() -> None:
    with pytest.raises(errors.ReceiptMismatch, match="another code"):
        verify_receipt(RECEIPT, code="AAAAAAAAAAAAAAAAAAAA")


@pytest.mark.parametrize(
    "document", ["", "[]", "null", b"\xff", "[" * 100_000, "{}", RECEIPT.to_json().replace('"S3"', r'"\ud800"')]
)
def test_what_is_no_receipt_is_malformed(document: str | bytes) -> None:
    with pytest.raises(errors.MalformedReceipt):
        verify_receipt(document)


def test_a_url_goes_with_the_contract_to_trust() -> None:
    with pytest.raises(ValueError, match="go together"):
        verify_receipt(RECEIPT, "http://127.0.0.1:9")
    with pytest.raises(ValueError, match="go together"):
        verify_receipt(RECEIPT, contract="0x" + "ab" * 20)
    with pytest.raises(errors.WrongContract):
        verify_receipt(RECEIPT, "http://127.0.0.1:9", contract="0x" + "ac" * 20)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://node", "node:8545", ""])
def test_only_http_urls_are_asked(url: str) -> None:
    with pytest.raises(ValueError, match="JSON-RPC URL"):
        verify_receipt(RECEIPT, url, contract="0x" + "ab" * 20)


def test_parsing_keeps_the_text() -> None:
    assert parse_receipt(RECEIPT.to_json()).to_json() == RECEIPT.to_json()
