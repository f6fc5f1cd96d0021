"""The checker in Go, which follows docs/receipts.md alone, agrees with the vectors and with our own checks."""

import json
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.interop.kernel_checker import document_of, kernel_verdict, sdk_verdict
from tests.interop.proof_cases import ENTRIES, LOG, proof_of, signed
from tests.interop.test_vectors import INPUT, PROOF_ENTRIES, RECEIPT_ENTRIES, stated
from voketag_kernel.tlog import LogProof

HERE = Path(__file__).parent
BENT_DOCUMENTS = 4000
# What stands at the borders of JSON, hex and base64url.
PIECES = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"-",
    b"0",
    b"1",
    b"e",
    b".",
    b"n",
    b"=",
    b"_",
    b" ",
    b"\n",
    b"\r",
]
PIECES += [
    b"\0",
    b"\x7f",
    b"\xff",
    b"\xc3\xa9",
    b"\xed\xa0\x80",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00",
    b"null",
    b"NaN",
    b"1e999",
]


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built without network."""
    if shutil.which("go") is None:
        pytest.skip("the checker in Go needs the Go toolchain (1.21 or newer)")
    program = tmp_path_factory.mktemp("go") / "checker"
    offline = {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
    built = subprocess.run(
        ["go", "build", "-o", str(program), "."],  # noqa: S607 - Go from PATH, as everywhere
        cwd=HERE, env={**os.environ, **offline}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return program


def verdicts(checker: Path, kind: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    given = json.dumps({kind: entries})
    done = subprocess.run([str(checker), "-"], input=given, capture_output=True, text=True, check=True, timeout=60)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [
        verdict if verdict["outcome"] == "consistent" else {k: v for k, v in verdict.items() if k != "anchor_root"}
        for verdict in found
    ]


@pytest.mark.parametrize(("kind", "entries"), [("receipts", RECEIPT_ENTRIES), ("proofs", PROOF_ENTRIES)])
def test_the_checker_comes_to_every_stated_outcome(checker: Path, kind: str, entries: list[dict[str, Any]]) -> None:
    documents = [{key: value for key, value in entry.items() if key in INPUT} for entry in entries]
    for entry, found in zip(entries, verdicts(checker, kind, documents), strict=True):
        assert found == stated(entry), entry["name"]


def test_the_checker_agrees_with_the_kernel_on_receipts_that_were_bent_at_random(checker: Path) -> None:
    dice = random.Random(20)  # noqa: S311 - the same receipts in every run
    bent = [_bent(document_of(dice.choice(RECEIPT_ENTRIES)), dice) for _ in range(BENT_DOCUMENTS)]
    found = verdicts(checker, "receipts", [{"hex": document.hex()} for document in bent])
    assert {verdict["outcome"] for verdict in found} == {"consistent", "broken", "malformed"}
    for document, verdict in zip(bent, found, strict=True):
        assert verdict == kernel_verdict(document), document


def test_the_checker_agrees_with_the_sdk_on_proofs_that_were_bent_at_random(checker: Path) -> None:
    """As files; and before their log signed them, so that what stands behind the signature is reached, too."""
    dice = random.Random(21)  # noqa: S311 - the same proofs in every run
    bent = [_bent(document_of(dice.choice(PROOF_ENTRIES)), dice) for _ in range(BENT_DOCUMENTS)]
    bent += [str(_bent_and_signed(dice)).encode() for _ in range(BENT_DOCUMENTS)]
    found = verdicts(checker, "proofs", [{"hex": document.hex(), "key": str(LOG.key)} for document in bent])
    assert {(verdict["outcome"], verdict.get("link")) for verdict in found} == {
        ("consistent", None), ("broken", "signature"), ("broken", "path"), ("malformed", None)
    }  # fmt: skip
    for document, verdict in zip(bent, found, strict=True):
        assert verdict == sdk_verdict(document, str(LOG.key)), document


def _bent_and_signed(dice: random.Random) -> LogProof:
    index = dice.randrange(len(ENTRIES))
    if dice.random() < 0.5:
        entries = [*ENTRIES]
        entries[index] = _bent(entries[index], dice)
        return proof_of(index, entries)
    return proof_of(index, note=lambda text: signed(_bent(text.encode(), dice).decode(errors="ignore")))


def _bent(document: bytes, dice: random.Random) -> bytes:
    """Return the document with a piece of it replaced, put in, left out or moved."""
    at, to = sorted(dice.choices(range(len(document) + 1), k=2))
    short = min(at + dice.randrange(4), len(document))
    piece = dice.choice(PIECES)
    return dice.choice([
        document[:at] + piece + document[at:],
        document[:at] + piece + document[short:],
        document[:at] + document[short:],
        document[:at] + document[at:short][::-1] + document[short:],
        document[:at] + document[at:to] + document[at:],
        document[:at] + document[at : at + 1].swapcase() + document[at + 1 :],
    ])  # fmt: skip
