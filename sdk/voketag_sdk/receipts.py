"""Receipts, checked without the platform: offline against themselves, and against the chain through any JSON-RPC URL.

This module needs the standard library and the kernel alone: an auditor without gRPC imports it just as well.
docs/receipts.md specifies every byte of the format, for those who would rather write the check themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from voketag_kernel import receipts as kernel
from voketag_kernel.receipts import AnchorProof, Receipt
from voketag_sdk._chain import ChainEvidence, check_anchor
from voketag_sdk.errors import MalformedReceipt, NotAnchored, ReceiptMismatch, WrongContract

__all__ = ["ChainEvidence", "Receipt", "VerifiedReceipt", "parse_receipt", "verify_receipt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReceipt:
    """A receipt that passed every check that was asked for.

    `facts` is what the maker stated about the batch when it was issued. `chain` is what the chain said; with None the
    chain was not asked, and the receipt is only consistent with itself, which a forger can arrange.
    """

    receipt: Receipt
    facts: Mapping[str, Any]
    chain: ChainEvidence | None

    @property
    def existed_at(self) -> datetime | None:
        """The code existed at this time at the latest, as the chain says."""
        return self.chain.anchored_at if self.chain else None


def parse_receipt(document: str | bytes | Mapping[str, Any]) -> Receipt:
    """Read a receipt from its JSON text, or that decoded. MalformedReceipt."""
    try:
        return kernel.parse(document)
    except (ValueError, RecursionError) as error:
        raise MalformedReceipt(f"{error}; ask for the receipt again") from error


def verify_receipt(
    receipt: Receipt | str | bytes | Mapping[str, Any],
    rpc_url: str | None = None,
    *,
    contract: str | None = None,
    code: str | None = None,
    chain: str | None = None,
    min_confirmations: int = 1,
    timeout: float = 10.0,
) -> VerifiedReceipt:
    """Check a receipt and return what it proves; any failure is a ReceiptError, never a result.

    Without `rpc_url` every hash is recomputed up to the root that the chain should hold. With it the chain is asked,
    too: the contract holds the root, and the receipt's transaction is the one that wrote it, succeeded, and is
    `min_confirmations` blocks deep (its own included).

    `contract` is the registry's address as its operator publishes it, and goes with every `rpc_url`: whoever forges a
    receipt can deploy a contract of his own, so the receipt's word for it is worth nothing. `code` is the code in
    hand, when the receipt came from elsewhere. `chain` names one of `receipt.anchors`, to ask that chain instead of the
    platform's default one; `rpc_url` and `contract` are of that chain then. `timeout` is in seconds, for each question
    to the chain.

    NotAnchored when the receipt names no chain yet, whatever was asked for.
    """
    if (rpc_url is None) is not (contract is None):
        raise ValueError("rpc_url and contract go together: the chain is asked about the contract that you trust")
    if min_confirmations < 1:
        raise ValueError("min_confirmations is 1 or more")
    parsed = receipt if isinstance(receipt, Receipt) else parse_receipt(receipt)
    facts = _check_offline(parsed)
    if code is not None and code != parsed.code:
        raise ReceiptMismatch("the receipt is of another code than the one in hand")
    anchor = _chosen(parsed, chain)
    if anchor is None:
        raise NotAnchored("the batch's root waits for the chain; ask for the receipt again later")
    if rpc_url is None or contract is None:
        return VerifiedReceipt(receipt=parsed, facts=facts, chain=None)
    if anchor.contract.lower() != contract.lower():
        raise WrongContract(f"the receipt leads to the contract {anchor.contract}, not to {contract}")
    evidence = check_anchor(anchor, rpc_url, min_confirmations=min_confirmations, timeout=timeout)
    return VerifiedReceipt(receipt=parsed, facts=facts, chain=evidence)


def _chosen(receipt: Receipt, chain: str | None) -> AnchorProof | None:
    """Return the way to the default chain, or to a named one; None where that chain has not confirmed the root."""
    if chain is None:
        return receipt.anchor
    return next((each.proof for each in receipt.anchors if each.chain == chain), None)


def _check_offline(receipt: Receipt) -> Mapping[str, Any]:
    try:
        return kernel.check_offline(receipt).facts
    except kernel.ReceiptMismatch as error:
        raise ReceiptMismatch(f"{error}; the receipt proves nothing") from error
    except (ValueError, RecursionError) as error:
        raise MalformedReceipt(f"{error}; ask for the receipt again") from error
