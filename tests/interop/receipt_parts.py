"""Grows receipts from their parts, good ones and ones that are wrong in the making."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from voketag_kernel import codes, receipts, rfc6962
from voketag_kernel.receipts import ROOT_LEAF_PREFIX, AnchorProof, ChainAnchor, Receipt

KEY = codes.UnitCodeKey(1, bytes(range(32)))
PREFIXES = {"unit": codes.UNIT_LEAF_PREFIX, "root": ROOT_LEAF_PREFIX}


@dataclass(frozen=True, slots=True)
class Grown:
    """A receipt as decoded JSON, with what a checker must find in it."""

    document: dict[str, Any]
    unit_leaf: bytes
    anchor_root: bytes | None
    anchor_roots: tuple[bytes, ...] = ()


def facts_text(quantity: int, facts: Mapping[str, object] | str | None) -> str:
    """Return the facts as given, or made canonical with the quantity in them."""
    if isinstance(facts, str):
        return facts
    chosen = facts if facts is not None else {"v": 1, "batch_id": "0190a7c0-0000-7000-8000-000000000001"}
    return json.dumps({**chosen, "quantity": quantity}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def grow(
    *,
    units: int = 5,
    unit: int = 3,
    batches: int = 3,
    batch: int = 1,
    facts: Mapping[str, object] | str | None = None,
    serial: str | None = None,
    block_number: int = 7,
    unit_prefix: str = "unit",
    root_prefix: str = "root",
    anchored_size: int | None = -1,
) -> Grown:
    """Return the receipt of one unit of a batch of `units`; that batch is one of `batches`, 0 for no anchor.

    `anchored_size` is the size in the batch's leaf of the anchor tree: the true one (-1), another, or none.
    """
    text = facts_text(units, facts)
    serials = [f"S{index}" for index in range(units)]
    serials[unit] = serials[unit] if serial is None else serial
    leaves = [_unit_leaf(index, each, text, PREFIXES[unit_prefix]) for index, each in enumerate(serials)]
    root = rfc6962.root(leaves)
    size = b"" if anchored_size is None else (units if anchored_size < 0 else anchored_size).to_bytes(8)
    roots = [rfc6962.leaf_hash(receipts.root_leaf_data(sha256(bytes([n])).digest(), n)) for n in range(batches)]
    anchor = None
    if batches:
        roots[batch] = rfc6962.leaf_hash(PREFIXES[root_prefix] + root + size)
        anchor = _anchor(rfc6962.root(roots), batch, batches, rfc6962.inclusion_path(batch, roots), block_number)
    path = rfc6962.inclusion_path(unit, leaves)
    return _grown(
        _receipt(unit=unit, serial=serials[unit], facts=text, units=units, root=root, path=path, anchor=anchor),
        leaves[unit],
    )


def on_more_chains(*chains: str, root_prefix: str = "root", default: bool = True) -> Grown:
    """Return the receipt of unit 3 of 5 with an entry in `anchors` for each chain; all differ in tree and chain id.

    Without `default` the platform's own chain has not confirmed the batch yet. `root_prefix` is that of the leaf in the
    last chain's tree.
    """
    grown = grow(batches=3 if default else 0)
    root = bytes.fromhex(grown.document["batch_root"])
    anchors = []
    for number, chain in enumerate(chains, 1):
        prefix = PREFIXES[root_prefix if number == len(chains) else "root"]
        others = [rfc6962.leaf_hash(receipts.root_leaf_data(sha256(chain.encode()).digest(), n)) for n in range(number)]
        leaves = [*others, rfc6962.leaf_hash(prefix + root + (5).to_bytes(8))]
        proof = _anchor(rfc6962.root(leaves), number, number + 1, rfc6962.inclusion_path(number, leaves), number)
        anchors.append(ChainAnchor(chain, replace(proof, chain_id=31337 + number)))
    document = json.loads(replace(receipts.parse(grown.document), anchors=tuple(anchors)).to_json())
    return replace(grown, document=document, anchor_roots=tuple(each.proof.root for each in anchors))


def grow_from_path(*, units: int, unit: int, batches: int, batch: int) -> Grown:
    """Return a receipt of trees that are too large to grow: the siblings are made up, and the roots follow."""
    text = facts_text(units, None)
    leaf = _unit_leaf(0, "S0", text, PREFIXES["unit"])
    path = _siblings(unit, units)
    root = rfc6962.root_from_inclusion_path(leaf, index=unit, size=units, path=path)
    anchor_path = _siblings(batch, batches)
    anchor_root = rfc6962.root_from_inclusion_path(
        rfc6962.leaf_hash(receipts.root_leaf_data(root, units)), index=batch, size=batches, path=anchor_path
    )
    anchor = _anchor(anchor_root, batch, batches, anchor_path, 7)
    grown = _receipt(unit=0, serial="S0", facts=text, units=units, root=root, path=path, anchor=anchor)
    return _grown(grown, leaf, leaf_index=unit)


def plain_hash_tree(*, leaf_prefix: bytes = b"\x00", node_prefix: bytes = b"\x01") -> dict[str, Any]:
    """Return the receipt of unit 0 of 2 under a tree that leaves RFC 6962's prefixes out."""
    text = facts_text(2, None)
    leaves = [
        sha256(leaf_prefix + _unit_leaf_data(index, f"S{index}", text, PREFIXES["unit"])).digest() for index in range(2)
    ]
    root = sha256(node_prefix + leaves[0] + leaves[1]).digest()
    grown = _receipt(unit=0, serial="S0", facts=text, units=2, root=root, path=[leaves[1]], anchor=None)
    return _grown(grown, leaves[0]).document


def _grown(receipt: Receipt, leaf: bytes, **changes: object) -> Grown:
    document = {**json.loads(receipt.to_json()), **changes}
    return Grown(document, leaf, receipt.anchor.root if receipt.anchor else None)


def _unit_leaf_data(number: int, serial: str, facts: str, prefix: bytes) -> bytes:
    minted = KEY.mint(number)
    return prefix + minted.salt + minted.raw + receipts.facts_hash(facts) + serial.encode()


def _unit_leaf(number: int, serial: str, facts: str, prefix: bytes) -> bytes:
    return rfc6962.leaf_hash(_unit_leaf_data(number, serial, facts, prefix))


def _siblings(index: int, size: int) -> list[bytes]:
    """Return made-up siblings, as many as a leaf of such a tree has: one for each turn of RFC 9162, 2.1.3.2."""
    found = []
    low, high = 0, size  # the subtree that holds the leaf
    while high - low > 1:
        split = low + rfc6962.split_of(high - low)
        found.append(sha256(f"sibling {low} {high}".encode()).digest())
        low, high = (low, split) if index < split else (split, high)
    return found[::-1]


def _anchor(root: bytes, index: int, size: int, path: list[bytes], block_number: int) -> AnchorProof:
    return AnchorProof(
        leaf_index=index,
        tree_size=size,
        root=root,
        inclusion_path=tuple(path),
        chain_id=31337,
        contract="0x" + "ab" * 20,
        tx_hash="0x" + "cd" * 32,
        block_number=block_number,
    )


def _receipt(
    *, unit: int, serial: str, facts: str, units: int, root: bytes, path: list[bytes], anchor: AnchorProof | None
) -> Receipt:
    minted = KEY.mint(unit)
    return Receipt(
        code=minted.code,
        serial=serial,
        batch_facts=facts,
        salt=minted.salt,
        leaf_index=unit,
        tree_size=units,
        batch_root=root,
        inclusion_path=tuple(path),
        anchor=anchor,
    )
