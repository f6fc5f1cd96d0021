"""Anchors, the trees that carry them to the chain, and the transactions that carry the trees. Pure.

Roots and hashes of trees are 32 raw bytes; transaction and block hashes and addresses are 0x hex, as in `chain_types`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from uuid import UUID

from services.anchor.chain_types import Fees, SizedRoot
from voketag_kernel.receipts import checkpoint_leaf_data, root_leaf_data
from voketag_kernel.rfc6962 import InvalidProof, leaf_hash, node_hash, verify_inclusion


class AnchorState(Enum):
    """The life of an anchor; the values are those of `voketag.anchor.v1.AnchorState`.

    Nothing leads to FAILED: a refused transaction sends its roots back to the line. A worker of an earlier version that
    runs beside newer ones could still leave it behind, and `Anchors.retry` leads out of it.
    """

    PENDING = 1
    SUBMITTED = 2
    CONFIRMED = 3
    FAILED = 4


class TreeState(Enum):
    """The life of an anchor tree."""

    COLLECTED = "its roots are chosen, nothing is signed"
    SUBMITTED = "a transaction is signed and stored"
    CONFIRMED = "its root is on the chain, deep enough"
    FAILED = "its transaction was executed and did not anchor its root; its roots went back to the line"
    ABANDONED = "another transaction has its nonce for good; its roots went back to the line"


class TransactionState(Enum):
    """The life of one signed attempt."""

    SIGNED = "stored, told to nobody yet"
    BROADCAST = "given to a node"
    MINED = "in a block that is not deep enough yet"
    CONFIRMED = "in a block that is deep enough"
    REVERTED = "executed, and did not anchor its root"
    DROPPED = "never will be mined: another transaction has its nonce"


class AnchorKind(Enum):
    """What a root is of; the values are those of `voketag.anchor.v1.AnchorKind`."""

    BATCH = 1
    LEDGER = 2


LEAF_BYTES = {AnchorKind.BATCH: 56, AnchorKind.LEDGER: 62}
"""Bytes of leaf data that a root of each kind adds to a tree."""
MAIN = "main"
"""What the first chain is called unless the settings name it."""
DRY = "dry"
"""The chain that is none: a rehearsal, see `operations.rehearsing`. Its chain id is 0, and "dry" its transaction."""
DRY_CHAIN_ID = 0
_LEAF_DATA = {AnchorKind.BATCH: root_leaf_data, AnchorKind.LEDGER: checkpoint_leaf_data}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A root and the number of leaves under it: a batch's units, or the ledger's entries."""

    merkle_root: bytes
    tree_size: int
    kind: AnchorKind = AnchorKind.BATCH

    @property
    def hash(self) -> bytes:
        """The leaf's hash in an anchor tree."""
        return leaf_hash(_LEAF_DATA[self.kind](self.merkle_root, self.tree_size))


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A batch's place in an anchor tree, and that tree's place on the chain. `block_number` 0 means in no block.

    `cost_wei` is the transaction's price divided by the tree's roots, rounded up; None while nobody knows it.
    """

    leaf_index: int
    tree_size: int
    root: bytes
    path: tuple[bytes, ...]
    chain_id: int
    contract: str
    tx_hash: str
    block_number: int
    cost_wei: int | None = None


@dataclass(frozen=True, slots=True)
class Anchor:
    """One root on its way to the chain; `batch_id` names the batch, or the ledger's checkpoint.

    `error` says what it waits for, or why it is in the line again. `others` are those of the same root on the other
    chains that were asked for, where all of a batch's were looked up.
    """

    anchor_id: UUID
    batch_id: UUID
    merkle_root: bytes
    tree_size: int
    state: AnchorState
    error: str
    created_at: datetime
    confirmed_at: datetime | None
    inclusion: Inclusion | None
    kind: AnchorKind = AnchorKind.BATCH
    urgent: bool = False
    tenant_id: UUID | None = None
    chain: str = MAIN
    others: tuple["Anchor", ...] = ()

    @property
    def unfinished(self) -> bool:
        """The writer still works on it."""
        return self.state in (AnchorState.PENDING, AnchorState.SUBMITTED)

    @property
    def leaf(self) -> Leaf:
        """What stands for this anchor in a tree."""
        return Leaf(self.merkle_root, self.tree_size, self.kind)

    def on(self, chain: str) -> "Anchor | None":
        """The anchor of the same root on a chain, of those that were looked up."""
        return next((anchor for anchor in (self, *self.others) if anchor.chain == chain), None)

    def is_included(self) -> bool:
        """The stored path leads from the batch's leaf to the anchor root."""
        found = self.inclusion
        if found is None:
            return False
        try:
            verify_inclusion(
                self.leaf.hash, index=found.leaf_index, size=found.tree_size, path=found.path, expected_root=found.root
            )
        except InvalidProof:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Standing:
    """What the writer has said about a chain: who signs, why nothing moves now, and why nothing moved the last time.

    `refusals` transactions in a row were executed in vain, the last one for the reason `refusal`; nothing new is signed
    before `held_until`.
    """

    sender: str = ""
    waits_for: str = ""
    last_error: str = ""
    last_error_at: datetime | None = None
    refusals: int = 0
    refusal: str = ""
    held_until: datetime | None = None

    def held(self, now: datetime) -> bool:
        """Nothing new is signed now."""
        return self.held_until is not None and now < self.held_until


@dataclass(frozen=True, slots=True)
class Waiting:
    """The roots that have no tree yet: how many of each kind, since when, and whether one of them is urgent."""

    counts: Mapping[AnchorKind, int]
    oldest: datetime
    urgent: bool

    @property
    def roots(self) -> int:
        """How many wait."""
        return sum(self.counts.values())

    @property
    def bytes(self) -> int:
        """Bytes of leaf data that wait."""
        return sum(LEAF_BYTES[kind] * count for kind, count in self.counts.items())


def pause_after_refusals(count: int) -> timedelta:
    """Return how long to sign nothing new after so many transactions in a row that were paid for in vain.

    15, 30, 60 ... seconds, at most an hour: a chain that refuses everything that its estimate allows costs eight
    transactions in the first hour and one in each hour after it, not one in every block. *Alternative:* a pause for
    each anchor. The contract sees no anchor, only the root above many, so no refusal is about one of them; and those
    that are new would go on paying.
    """
    return timedelta(seconds=min(15 * 2 ** min(count - 1, 16), 3600))


def that_fit(leaves: Sequence[Leaf], *, max_bytes: int) -> int:
    """Return how many of the leaves, from the first on, a tree of so many bytes of leaf data takes: at least one."""
    used = 0
    for count, leaf in enumerate(leaves):
        used += LEAF_BYTES[leaf.kind]
        if used > max_bytes and count:
            return count
    return len(leaves)


@dataclass(frozen=True, slots=True)
class Tree:
    """An anchor tree. `sender` and `nonce` come with its first transaction, to one contract, and then never change.

    `mined` means that one of its transactions was in a block when we last looked.
    """

    tree_id: UUID
    root: bytes
    size: int
    chain_id: int
    sender: str | None = None
    nonce: int | None = None
    mined: bool = False

    @property
    def sized_root(self) -> SizedRoot:
        """What a transaction writes for it."""
        return SizedRoot(self.root, self.size)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction of a tree. `raw` and what it offers are None for one that was found on the chain."""

    tx_hash: str
    raw: bytes | None
    gas_limit: int | None
    fees: Fees | None
    state: TransactionState
    block_hash: str | None
    signed_at: datetime
    broadcast_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What Factory must hear about a batch: where its root stands."""

    anchor_id: UUID
    batch_id: UUID
    merkle_root: bytes
    state: AnchorState
    tx_hash: str
    block_number: int
    chain_id: int
    attempts: int


@dataclass(frozen=True, slots=True)
class BuiltTree:
    """The root over some leaves, and each leaf's inclusion path."""

    root: bytes
    paths: tuple[tuple[bytes, ...], ...]


def build_tree(leaves: Sequence[Leaf]) -> BuiltTree:
    """Build the RFC 6962 tree over batch roots. ValueError without leaves.

    Every path is wanted at once, so the tree is climbed row by row: a last node without a sibling moves up as it is,
    which is what RFC 6962's split at the largest power of two comes to.
    """
    if not leaves:
        raise ValueError("a tree over no roots proves nothing")
    row = [leaf.hash for leaf in leaves]
    places = list(range(len(row)))
    paths: list[list[bytes]] = [[] for _ in row]
    while len(row) > 1:
        for path, place in zip(paths, places, strict=True):
            if (sibling := place ^ 1) < len(row):
                path.append(row[sibling])
        places = [place >> 1 for place in places]
        pairs = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=False)]
        row = pairs + row[len(pairs) * 2 :]
    return BuiltTree(root=row[0], paths=tuple(tuple(path) for path in paths))
