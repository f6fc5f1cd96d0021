"""Receipts: what Factory knows about a unit's leaf and what Anchor knows about its batch's root, put together."""

from collections.abc import MutableMapping
from typing import Protocol

from services.common.errors import AnchorNotFound
from services.scan.model import AnchorProofs, UnitProof
from services.scan.operations.lookups import Lookups
from voketag_kernel.receipts import Receipt


class Proofs(Protocol):
    """The services that hold the proofs."""

    async def unit_proof(self, unit_id: int) -> UnitProof:
        """Return a unit's path to its batch's root; ReceiptNotReady while there is none."""
        ...

    async def anchor_proofs(self, batch_id: str) -> AnchorProofs:
        """Return a root's paths to the chains that have confirmed it; AnchorNotFound."""
        ...


class Receipts:
    """Makes receipts. Asking for one is not a scan, and counts for no unit."""

    def __init__(self, *, lookups: Lookups, proofs: Proofs) -> None:
        self._lookups = lookups
        self._proofs = proofs

    async def receipt(
        self, code: str, address: str, told: MutableMapping[str, str], *, credential: str = ""
    ) -> Receipt:
        """Return the receipt of a unit. `told` takes what the caller is told about its limits.

        MalformedCode, UnknownCode, RateLimited, ReceiptNotReady; Unavailable when Factory or Anchor is away: a receipt
        without its anchor would say that there is none.
        """
        found = await self._lookups.unit(code, address, told, credential=credential)
        unit = await self._proofs.unit_proof(found.unit_id)
        try:
            anchors = await self._proofs.anchor_proofs(unit.batch_id)
        except AnchorNotFound:
            anchors = AnchorProofs(None)
        return Receipt(
            code=unit.code,
            serial=unit.serial,
            batch_facts=unit.batch_facts,
            salt=unit.salt,
            leaf_index=unit.leaf_index,
            tree_size=unit.tree_size,
            batch_root=unit.batch_root,
            inclusion_path=unit.inclusion_path,
            anchor=anchors.own,
            anchors=anchors.chains,
        )
