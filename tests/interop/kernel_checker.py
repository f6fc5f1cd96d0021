"""Our own checks in the words of the vectors: the kernel's of receipts, the SDK's of proofs from the ledger."""

from typing import Any

from tests.interop.proof_cases import proven_of
from voketag_kernel import receipts
from voketag_kernel.ledger import MalformedEntry, hash_of
from voketag_kernel.notes import MalformedNote, NoteNotSigned, VerifierKey
from voketag_kernel.rfc6962 import InvalidProof
from voketag_kernel.tlog import LogProof, MalformedLog
from voketag_sdk import verify_log


def document_of(entry: dict[str, Any]) -> bytes:
    """Return a receipt's or a proof's bytes as they come to a checker."""
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


def sdk_verdict(document: bytes, key: str) -> dict[str, Any]:
    """Return `outcome` with the `link`, or what the proof proves."""
    try:
        checkpoint, scan = verify_log.check(document.decode(), VerifierKey.parse(key))
    except (MalformedLog, MalformedNote, MalformedEntry, UnicodeDecodeError):
        return {"outcome": "malformed"}
    except NoteNotSigned:
        return {"outcome": "broken", "link": "signature"}
    except InvalidProof:
        return {"outcome": "broken", "link": "path"}
    proof = LogProof.parse(document.decode())
    proven = proven_of(scan, proof.index, hash_of(proof.entry), checkpoint.size, checkpoint.root)
    return {"outcome": "consistent", **proven}
