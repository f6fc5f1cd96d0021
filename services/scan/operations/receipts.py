"""Receipts: what Factory knows about a unit's leaf and what Anchor knows about its batch's root, put together."""

from typing import Protocol

from services.common.errors import AnchorNotFound
from services.scan.codes import unit_id_of, unknown
from services.scan.facts import FactsCache
from services.scan.model import AnchorProofs, UnitProof
from voketag_kernel.codes import KeyRing
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
    """Makes receipts. Nothing is counted: asking for a receipt is not a scan."""

    def __init__(self, *, keys: KeyRing, facts: FactsCache, proofs: Proofs) -> None:
        self._keys = keys
        self._facts = facts
        self._proofs = proofs

    async def receipt(self, code: str) -> Receipt:
        """Return the receipt of a unit.

        MalformedCode, UnknownCode, ReceiptNotReady; Unavailable when Factory or Anchor is away: a receipt without its
        anchor would say that there is none.
        """
        unit_id = unit_id_of(self._keys, code)
        if (await self._facts.get([unit_id]))[unit_id] is None:
            raise unknown()
        unit = await self._proofs.unit_proof(unit_id)
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
