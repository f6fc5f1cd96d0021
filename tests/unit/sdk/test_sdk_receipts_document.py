"""docs/receipts.md is enough to write the check: its own program agrees with the kernel."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.receipt_maker import make_receipt
from voketag_kernel import receipts as kernel
from voketag_sdk import parse_receipt, verify_receipt

DOCUMENT = (Path(__file__).parents[3] / "docs" / "receipts.md").read_text()


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(blocks("python"), namespace)  # noqa: S102 - the page's own program
    return namespace


def test_the_example_holds_by_the_kernel_and_by_the_page_s_program(program: dict[str, Any]) -> None:
    example = blocks("json")
    checked = kernel.check_offline(verify_receipt(example).receipt)
    assert program["check_offline"](example) == checked.anchor_root
    assert f"`{checked.unit_leaf.hex()}`" in DOCUMENT


@pytest.mark.parametrize("change", [{"serial": "S4"}, {"tree_size": 6}, {"leaf_index": 2}, {"inclusion_path": []}])
def test_the_page_s_program_refuses_what_the_kernel_refuses(program: dict[str, Any], change: dict[str, Any]) -> None:
    changed = json.dumps({**json.loads(make_receipt().to_json()), **change})
    with pytest.raises(kernel.ReceiptMismatch):
        kernel.check_offline(parse_receipt(changed))
    with pytest.raises(ValueError, match="proves nothing"):
        program["check_offline"](changed)


def test_the_page_names_every_field_and_the_contract_s_constants() -> None:
    document = json.loads(make_receipt().to_json())
    assert all(f"`{name}`" in DOCUMENT for name in document)
    assert all(f"`anchor.{name}`" in DOCUMENT for name in document["anchor"])
    assert kernel.ANCHORED_AT_SELECTOR in DOCUMENT
    assert kernel.ANCHORED_TOPIC in DOCUMENT
