"""Our checks against the vectors, and the vectors against what makes them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.interop.kernel_checker import document_of, kernel_verdict, sdk_verdict
from tests.interop.make_vectors import PROOFS, RECEIPTS, vectors

INPUT = {"name", "text", "hex", "key"}
RECEIPT_ENTRIES: list[dict[str, Any]] = json.loads(RECEIPTS.read_text(encoding="ascii"))["receipts"]
PROOF_ENTRIES: list[dict[str, Any]] = json.loads(PROOFS.read_text(encoding="ascii"))["proofs"]


def stated(entry: dict[str, Any]) -> dict[str, Any]:
    """Return what an entry says that a check comes to."""
    return {key: value for key, value in entry.items() if key not in INPUT}


@pytest.mark.parametrize("entry", RECEIPT_ENTRIES, ids=[entry["name"] for entry in RECEIPT_ENTRIES])
def test_the_kernel_comes_to_the_stated_outcome(entry: dict[str, Any]) -> None:
    assert kernel_verdict(document_of(entry)) == stated(entry)


@pytest.mark.parametrize("entry", PROOF_ENTRIES, ids=[entry["name"] for entry in PROOF_ENTRIES])
def test_the_sdk_comes_to_the_stated_outcome_of_proofs(entry: dict[str, Any]) -> None:
    assert sdk_verdict(document_of(entry), entry["key"]) == stated(entry)


@pytest.mark.parametrize("path", [RECEIPTS, PROOFS], ids=["receipts", "proofs"])
def test_the_vectors_are_what_their_program_makes(path: Path) -> None:
    assert path.read_text(encoding="ascii") == vectors()[path], "run `python -m tests.interop.make_vectors`"


@pytest.mark.parametrize(
    ("entries", "links"),
    [(RECEIPT_ENTRIES, {"facts", "unit", "anchor", "anchors"}), (PROOF_ENTRIES, {"signature", "path"})],
    ids=["receipts", "proofs"],
)
def test_the_vectors_have_every_outcome_and_no_name_twice(entries: list[dict[str, Any]], links: set[str]) -> None:
    names = Counter(entry["name"] for entry in entries)
    assert [name for name, times in names.items() if times > 1] == []
    broken = {("broken", link) for link in links}
    assert {(entry["outcome"], entry.get("link")) for entry in entries} == broken | {
        ("consistent", None),
        ("malformed", None),
    }
