"""The kernel against the vectors, and the vectors against what makes them."""

import json
from collections import Counter
from typing import Any

import pytest

from tests.interop.kernel_checker import document_of, kernel_verdict
from tests.interop.make_vectors import VECTORS, vectors

ENTRIES: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="ascii"))["receipts"]


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["name"] for entry in ENTRIES])
def test_the_kernel_comes_to_the_stated_outcome(entry: dict[str, Any]) -> None:
    assert kernel_verdict(document_of(entry)) == {
        key: value for key, value in entry.items() if key not in {"name", "text", "hex"}
    }


def test_the_vectors_are_what_their_program_makes() -> None:
    assert VECTORS.read_text(encoding="ascii") == vectors(), "run `python -m tests.interop.make_vectors`"


def test_the_vectors_have_every_outcome_and_no_name_twice() -> None:
    names = Counter(entry["name"] for entry in ENTRIES)
    assert [name for name, times in names.items() if times > 1] == []
    assert {(entry["outcome"], entry.get("link")) for entry in ENTRIES} == {
        ("consistent", None), ("broken", "facts"), ("broken", "unit"), ("broken", "anchor"), ("broken", "anchors"),
        ("malformed", None)
    }  # fmt: skip
