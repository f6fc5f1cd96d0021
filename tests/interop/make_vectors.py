"""`python -m tests.interop.make_vectors [--check]`: write vectors/receipts_v1.json, or fail when it is stale."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.interop.case import Case
from tests.interop.receipt_cases import cases

VECTORS = Path(__file__).parent / "vectors" / "receipts_v1.json"


def _entry(case: Case) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": case.name, "outcome": case.outcome}
    if case.link:
        entry["link"] = case.link
    if case.unit_leaf:
        entry["unit_leaf"] = case.unit_leaf.hex()
        entry["anchor_root"] = case.anchor_root.hex() if case.anchor_root else None
        if case.anchor_roots:
            entry["anchor_roots"] = [root.hex() for root in case.anchor_roots]
    try:
        return {**entry, "text": case.document.decode()}
    except UnicodeDecodeError:
        return {**entry, "hex": case.document.hex()}


def vectors() -> str:
    """Return the file's text. ASCII, since invisible characters are what some of the receipts are about."""
    entries = [json.dumps(_entry(case)) for case in cases()]
    return '{"format": "voketag-receipt/v1", "receipts": [\n' + ",\n".join(entries) + "\n]}\n"


def main() -> None:
    """Write, or check."""
    made = vectors()
    if "--check" not in sys.argv[1:]:
        VECTORS.write_text(made, encoding="ascii")
    elif VECTORS.read_text(encoding="ascii") != made:
        sys.exit(f"{VECTORS.name} is stale: run `python -m tests.interop.make_vectors` and commit it")


if __name__ == "__main__":
    main()
