"""`python -m tests.interop.make_vectors [--check]`: write the files of `vectors`, or fail when one is stale."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.interop import proof_cases, receipt_cases
from tests.interop.case import Case
from tests.interop.proof_cases import ProofCase

FOLDER = Path(__file__).parent / "vectors"
RECEIPTS, PROOFS = FOLDER / "receipts_v1.json", FOLDER / "proofs_v1.json"


def vectors() -> dict[Path, str]:
    """Return the files' texts. ASCII, since invisible characters are what some of the cases are about."""
    return {
        RECEIPTS: _file("voketag-receipt/v1", "receipts", map(_receipt, receipt_cases.cases())),
        PROOFS: _file("c2sp.org/tlog-proof@v1", "proofs", map(_proof, proof_cases.cases())),
    }


def _receipt(case: Case) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": case.name, "outcome": case.outcome}
    if case.link:
        entry["link"] = case.link
    if case.unit_leaf:
        entry["unit_leaf"] = case.unit_leaf.hex()
        entry["anchor_root"] = case.anchor_root.hex() if case.anchor_root else None
        if case.anchor_roots:
            entry["anchor_roots"] = [root.hex() for root in case.anchor_roots]
    return entry | _document(case.document)


def _proof(case: ProofCase) -> dict[str, Any]:
    link = {"link": case.link} if case.link else {}
    told = {"name": case.name, "outcome": case.outcome, **link, **(case.proven or {}), "key": case.key}
    return told | _document(case.document)


def _document(document: bytes) -> dict[str, str]:
    try:
        return {"text": document.decode()}
    except UnicodeDecodeError:
        return {"hex": document.hex()}


def _file(form: str, name: str, entries: Iterable[dict[str, Any]]) -> str:
    lines = ",\n".join(map(json.dumps, entries))
    return f'{{"format": "{form}", "{name}": [\n{lines}\n]}}\n'


def main() -> None:
    """Write, or check."""
    for path, made in vectors().items():
        if "--check" not in sys.argv[1:]:
            path.write_text(made, encoding="ascii")
        elif path.read_text(encoding="ascii") != made:
            sys.exit(f"{path.name} is stale: run `python -m tests.interop.make_vectors` and commit it")


if __name__ == "__main__":
    main()
