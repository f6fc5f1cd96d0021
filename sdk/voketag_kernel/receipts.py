"""Receipts, format `voketag-receipt/v1`: the way from a printed code to a root on a chain, for anyone to check.

A receipt is JSON. Its unit leaf commits to the code, the serial, the batch's facts and a salt; a path leads to the
batch root; a second path leads to the anchor root, which a transaction wrote on a chain. Checking the paths needs
nothing but the receipt; checking the chain needs one JSON-RPC URL (`anchored_at_call`, `anchored_event`), and never
this platform.
"""

import json
from collections.abc import Mapping, Set
from dataclasses import dataclass
from dataclasses import fields as fields_of
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from voketag_kernel import codes
from voketag_kernel.codes import UNIT_LEAF_PREFIX
from voketag_kernel.rfc6962 import InvalidProof, leaf_hash, verify_inclusion

FORMAT: Final = "voketag-receipt/v1"
ROOT_LEAF_PREFIX: Final = b"voketag/root/v1\x00"
CHECKPOINT_LEAF_PREFIX: Final = b"voketag/checkpoint/v1\x00"

# The standard library has no keccak-256, so these were computed with eth_utils, and a test recomputes them: the first
# 4 bytes of keccak(text="anchoredAt(bytes32)"), and keccak(text="Anchored(bytes32,uint64,uint64,address)").
ANCHORED_AT_SELECTOR: Final = "0x9591a610"
ANCHORED_TOPIC: Final = "0xd544f0fdf055021034cd7d508af2f239d8bfef694832258eafe43a50501a2fbd"


class MalformedReceipt(ValueError):
    """Not a receipt of this format; the message names the field."""


class Link(StrEnum):
    """The links of a receipt, in the order in which they are checked."""

    FACTS = "facts"
    """The batch facts state as many units as the tree has leaves."""
    UNIT = "unit"
    """The code, serial, salt and facts are a leaf under the batch root."""
    ANCHOR = "anchor"
    """The batch root, with its size, is a leaf under the anchor root."""
    ANCHORS = "anchors"
    """The same, under the anchor root of every chain in `anchors`."""


class ReceiptMismatch(ValueError):
    """A well-formed receipt whose parts do not fit together; `broken` is the first link that does not hold."""

    def __init__(self, broken: Link, message: str) -> None:
        super().__init__(message)
        self.broken = broken


@dataclass(frozen=True, slots=True)
class AnchorProof:
    """The way from the batch root to the chain. Hashes are raw bytes; `tx_hash` and `contract` are 0x hex."""

    leaf_index: int
    tree_size: int
    root: bytes
    inclusion_path: tuple[bytes, ...]
    chain_id: int
    contract: str
    tx_hash: str
    block_number: int


@dataclass(frozen=True, slots=True)
class ChainAnchor:
    """The way to one of several chains, under the name that the platform gives that chain."""

    chain: str
    proof: AnchorProof


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt. `anchor` is None until the platform's default chain has confirmed the batch's root.

    `anchors` has an entry for each chain that has confirmed it, the default one among them, where the batch was to go
    to more than one; else it is empty.
    """

    code: str
    serial: str
    batch_facts: str
    salt: bytes
    leaf_index: int
    tree_size: int
    batch_root: bytes
    inclusion_path: tuple[bytes, ...]
    anchor: AnchorProof | None
    anchors: tuple[ChainAnchor, ...] = ()

    def to_json(self) -> str:
        """Return the receipt's text."""
        document: dict[str, object] = {
            "format": FORMAT,
            "code": self.code,
            "serial": self.serial,
            "batch_facts": self.batch_facts,
            "salt": self.salt.hex(),
            "leaf_index": self.leaf_index,
            "tree_size": self.tree_size,
            "batch_root": self.batch_root.hex(),
            "inclusion_path": [node.hex() for node in self.inclusion_path],
            "anchor": None if self.anchor is None else _anchor_document(self.anchor),
        }
        if self.anchors:
            document["anchors"] = [{"chain": each.chain, **_anchor_document(each.proof)} for each in self.anchors]
        return json.dumps(document, ensure_ascii=False, indent=2)


@dataclass(frozen=True, slots=True)
class CheckedReceipt:
    """What the receipt proves by itself. `anchor_root` is what the chain must hold; None when it names no chain yet.

    `anchor_roots` are those of `anchors`, in their order.
    """

    unit_leaf: bytes
    batch_root: bytes
    anchor_root: bytes | None
    facts: Mapping[str, Any]
    anchor_roots: tuple[bytes, ...] = ()


def unit_leaf_data(*, salt: bytes, raw_code: bytes, facts_hash: bytes, serial: str) -> bytes:
    """Return the data of a unit's leaf: prefix, salt (16), code (15), SHA-256 of the facts (32), serial (UTF-8)."""
    return UNIT_LEAF_PREFIX + salt + raw_code + facts_hash + serial.encode()


def checkpoint_leaf_data(ledger_root: bytes, ledger_size: int) -> bytes:
    """Return the data of a ledger checkpoint's leaf in an anchor tree: prefix, root (32), size (8, big-endian)."""
    return CHECKPOINT_LEAF_PREFIX + ledger_root + ledger_size.to_bytes(8)


def root_leaf_data(batch_root: bytes, tree_size: int) -> bytes:
    """Return the data of a batch's leaf in an anchor tree: prefix, root (32), size (8, big-endian)."""
    return ROOT_LEAF_PREFIX + batch_root + tree_size.to_bytes(8)


def facts_hash(batch_facts: str) -> bytes:
    """Return the SHA-256 of the facts' text, byte for byte as the receipt carries it."""
    return sha256(batch_facts.encode()).digest()


def parse(document: str | bytes | Mapping[str, Any]) -> Receipt:
    """Read a receipt from its text or its decoded JSON; MalformedReceipt for anything else."""
    fields = _Fields(document if isinstance(document, Mapping) else _decode(document, "the receipt"), "receipt")
    if fields.text("format") != FORMAT:
        raise MalformedReceipt(f"format is not {FORMAT}")
    fields.none_but({"format", *_names_of(Receipt)})
    anchor = fields.get("anchor")
    anchors = tuple(_chain_anchor(value, f"anchors[{at}]") for at, value in enumerate(fields.optional_list("anchors")))
    if len({each.chain for each in anchors}) != len(anchors):
        raise MalformedReceipt("anchors: a chain stands twice")
    return Receipt(
        code=fields.text("code"),
        serial=fields.text("serial"),
        batch_facts=fields.text("batch_facts"),
        salt=fields.hash("salt", codes.SALT_LENGTH),
        leaf_index=fields.number("leaf_index"),
        tree_size=fields.number("tree_size"),
        batch_root=fields.hash("batch_root"),
        inclusion_path=fields.path("inclusion_path"),
        anchor=None if anchor is None else _anchor(_Fields(anchor, "anchor")),
        anchors=anchors,
    )


def check_offline(receipt: Receipt) -> CheckedReceipt:
    """Check every link that needs no chain; ReceiptMismatch names the first that breaks.

    It also holds the facts against the tree: a batch's facts say how many units were ordered, and the tree has as many.
    """
    try:
        raw_code = codes.raw_of(receipt.code)
    except codes.MalformedCode as error:
        raise MalformedReceipt(f"code: {error}") from error
    facts = _decode(receipt.batch_facts, "batch_facts")
    if not isinstance(facts, dict):
        raise MalformedReceipt("batch_facts is not an object")
    if type(facts.get("quantity")) is not int or facts["quantity"] != receipt.tree_size:
        raise ReceiptMismatch(Link.FACTS, "the tree has not as many leaves as the batch facts say")
    leaf = leaf_hash(
        unit_leaf_data(
            salt=receipt.salt,
            raw_code=raw_code,
            facts_hash=facts_hash(receipt.batch_facts),
            serial=receipt.serial,
        )
    )
    try:
        verify_inclusion(
            leaf,
            index=receipt.leaf_index,
            size=receipt.tree_size,
            path=receipt.inclusion_path,
            expected_root=receipt.batch_root,
        )
    except InvalidProof as error:
        raise ReceiptMismatch(Link.UNIT, f"the unit is not in the batch's tree: {error}") from error
    anchor_root = None if receipt.anchor is None else _check_anchor(receipt, receipt.anchor, Link.ANCHOR)
    return CheckedReceipt(
        unit_leaf=leaf,
        batch_root=receipt.batch_root,
        anchor_root=anchor_root,
        facts=facts,
        anchor_roots=tuple(_check_anchor(receipt, each.proof, Link.ANCHORS) for each in receipt.anchors),
    )


def anchored_at_call(root: bytes) -> str:
    """Return the `data` of an `eth_call` to the contract's `anchoredAt(root)`: Unix seconds, 0 for never."""
    return ANCHORED_AT_SELECTOR + root.hex()


def is_anchored_event(log: Mapping[str, Any], *, contract: str, root: bytes) -> bool:
    """Tell whether a log of a transaction receipt (JSON-RPC form) is the contract's word that it anchored `root`."""
    topics = log.get("topics")
    return (
        str(log.get("address")).lower() == contract.lower()
        and isinstance(topics, list)
        and [str(topic).lower() for topic in topics[:2]] == [ANCHORED_TOPIC, "0x" + root.hex()]
    )


def _check_anchor(receipt: Receipt, anchor: AnchorProof, link: Link) -> bytes:
    leaf = leaf_hash(root_leaf_data(receipt.batch_root, receipt.tree_size))
    try:
        verify_inclusion(
            leaf,
            index=anchor.leaf_index,
            size=anchor.tree_size,
            path=anchor.inclusion_path,
            expected_root=anchor.root,
        )
    except InvalidProof as error:
        raise ReceiptMismatch(link, f"the batch is not in the anchored tree: {error}") from error
    return anchor.root


def _anchor_document(anchor: AnchorProof) -> dict[str, object]:
    return {
        "leaf_index": anchor.leaf_index,
        "tree_size": anchor.tree_size,
        "root": anchor.root.hex(),
        "inclusion_path": [node.hex() for node in anchor.inclusion_path],
        "chain_id": anchor.chain_id,
        "contract": anchor.contract,
        "tx_hash": anchor.tx_hash,
        "block_number": anchor.block_number,
    }


def _chain_anchor(value: object, name: str) -> ChainAnchor:
    fields = _Fields(value, name)
    chain = fields.text("chain")
    if not chain:
        raise MalformedReceipt(f"{name}: chain is empty")
    return ChainAnchor(chain, _anchor(fields, also={"chain"}))


def _anchor(fields: "_Fields", *, also: Set[str] = frozenset()) -> AnchorProof:
    fields.none_but(_names_of(AnchorProof) | also)
    return AnchorProof(
        leaf_index=fields.number("leaf_index"),
        tree_size=fields.number("tree_size"),
        root=fields.hash("root"),
        inclusion_path=fields.path("inclusion_path"),
        chain_id=fields.number("chain_id"),
        contract="0x" + fields.hash("contract", 20, prefix="0x").hex(),
        tx_hash="0x" + fields.hash("tx_hash", prefix="0x").hex(),
        block_number=fields.number("block_number"),
    )


# Far more than any receipt has. The interpreter's own guard is not enough: a library may have raised the recursion
# limit for the whole process (web3 brings one that does), and then bottomless nesting would end it.
_MOST_BRACKETS: Final = 1_000


def _decode(text: str | bytes, name: str) -> object:
    """Read JSON as every other reader would: what they may read in two ways is refused."""
    try:
        utf_8 = text if isinstance(text, str) else text.decode()  # json.loads would take UTF-16 and a byte order mark
        if utf_8.count("[") + utf_8.count("{") > _MOST_BRACKETS:
            raise ValueError("it is nested too deeply")
        value: object = json.loads(utf_8, object_pairs_hook=_unambiguous, parse_constant=_no_number)
        # JSON can escape half of a surrogate pair, which has no UTF-8 form: some readers keep it, others replace it.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedReceipt(f"{name} is not JSON: {error}") from error
    return value


def _no_number(name: str) -> object:
    """Refuse NaN and the infinities, which Python reads although JSON has none."""
    raise ValueError(f"{name} is not a number of JSON")


def _unambiguous(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a name that stands twice: another reader would take the other value."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return value


def _names_of(form: type[Receipt | AnchorProof]) -> set[str]:
    return {field.name for field in fields_of(form)}


class _Fields:
    """Typed access to a decoded object; every failure names its field."""

    def __init__(self, value: object, name: str) -> None:
        if not isinstance(value, Mapping):
            raise MalformedReceipt(f"{name} is not an object")
        self._value = value
        self._name = name

    def get(self, key: str) -> object:
        if key not in self._value:
            raise MalformedReceipt(f"{self._name}: {key} is missing")
        return self._value[key]

    def optional_list(self, key: str) -> list[object]:
        value = self._value.get(key, [])
        if not isinstance(value, list):
            raise MalformedReceipt(f"{self._name}: {key} is not a list")
        return value

    def none_but(self, names: Set[str]) -> None:
        """Refuse what this format does not know: nobody would check it, and a reader might believe it."""
        if unknown := sorted(map(str, self._value.keys() - names)):
            raise MalformedReceipt(f"{self._name}: {', '.join(unknown)} is not part of {FORMAT}")

    def text(self, key: str) -> str:
        value = self.get(key)
        # JSON can escape half of a surrogate pair, which has no UTF-8 form and so no hash.
        if not isinstance(value, str) or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise MalformedReceipt(f"{self._name}: {key} is not a text")
        return value

    def number(self, key: str) -> int:
        value = self.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
            raise MalformedReceipt(f"{self._name}: {key} is not a whole number of 0 or more")
        return value

    def hash(self, key: str, length: int = 32, *, prefix: str = "") -> bytes:
        return _unhex(self.text(key), length, prefix, f"{self._name}: {key}")

    def path(self, key: str) -> tuple[bytes, ...]:
        value = self.get(key)
        if not isinstance(value, list) or not all(isinstance(node, str) for node in value):
            raise MalformedReceipt(f"{self._name}: {key} is not a list of texts")
        return tuple(_unhex(node, 32, "", f"{self._name}: {key}") for node in value)


def _unhex(text: str, length: int, prefix: str, name: str) -> bytes:
    digits = text.removeprefix(prefix)
    try:
        value = bytes.fromhex(digits)
    except ValueError as error:
        raise MalformedReceipt(f"{name} is not hex") from error
    if len(digits) != 2 * length or len(value) != length or not text.startswith(prefix):
        raise MalformedReceipt(f"{name} is not {prefix}{2 * length} hex digits")
    return value
