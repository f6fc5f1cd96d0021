"""The kernel's check in the words of the vectors."""

from typing import Any

from voketag_kernel import receipts


def document_of(entry: dict[str, Any]) -> bytes:
    """Return the receipt's bytes as they come to a checker."""
    return bytes.fromhex(entry["hex"]) if "hex" in entry else str(entry["text"]).encode()


def kernel_verdict(document: bytes) -> dict[str, Any]:
    """Return `outcome` with the `link`, or the `unit_leaf` and the anchors' roots, that go with it."""
    try:
        checked = receipts.check_offline(receipts.parse(document))
    except receipts.MalformedReceipt:
        return {"outcome": "malformed"}
    except receipts.ReceiptMismatch as error:
        return {"outcome": "broken", "link": error.broken.value}
    root = checked.anchor_root
    found = {
        "outcome": "consistent",
        "unit_leaf": checked.unit_leaf.hex(),
        "anchor_root": None if root is None else root.hex(),
    }
    return {**found, "anchor_roots": [each.hex() for each in checked.anchor_roots]} if checked.anchor_roots else found
