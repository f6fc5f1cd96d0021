"""Merkle trees as RFC 6962, section 2.1, defines them, and the checks of RFC 9162, section 2.1.3 and 2.1.4.

Hashes are 32 bytes. A leaf is hashed with 0x00 before it and a node with 0x01, so that no node passes for a leaf;
no leaf is ever duplicated to fill a level.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

HASH_LENGTH: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()


class InvalidProof(ValueError):
    """A proof that does not prove what it should; the message says how it fails."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf's data."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class TreeBuilder:
    """Builds a root leaf by leaf in O(log n) memory: it keeps the roots of the perfect subtrees so far."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []  # largest subtree first, one per set bit of size

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its hash."""
        carry, size = leaf, self.size
        while size & 1:
            carry = node_hash(self._peaks.pop(), carry)
            size >>= 1
        self._peaks.append(carry)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves by their hashes, in order."""
        for leaf in leaves:
            self.append(leaf)

    def root(self) -> bytes:
        """Return the root of the leaves so far; the empty tree has the hash of nothing."""
        return join(self._peaks)


def join(peaks: Sequence[bytes]) -> bytes:
    """Return the root over perfect subtrees of falling size, leftmost first."""
    if not peaks:
        return EMPTY_ROOT
    result = peaks[-1]
    for peak in reversed(peaks[:-1]):
        result = node_hash(peak, result)
    return result


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    builder = TreeBuilder()
    builder.extend(leaves)
    return builder.root()


def inclusion_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the path from a leaf to the root, lowest sibling first (RFC 6962, section 2.1.1). IndexError outside."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = split_of(len(leaves))
    if index < split:
        return [*inclusion_path(index, leaves[:split]), root(leaves[split:])]
    return [*inclusion_path(index - split, leaves[split:]), root(leaves[:split])]


def path_length(index: int, size: int) -> int:
    """Return how many hashes the path from a leaf to the root has. IndexError outside."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} of {size}")
    first, last, hashes = index, size - 1, 0
    while last:
        if first == last:  # the nodes of an unpaired right edge go up as they are
            while not first & 1:
                first >>= 1
                last >>= 1
        first >>= 1
        last >>= 1
        hashes += 1
    return hashes


def consistency_path(old_size: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return the proof that the tree of the first `old_size` leaves is a prefix of this one (RFC 6962, 2.1.2)."""
    if not 0 < old_size <= len(leaves):
        raise IndexError(f"tree of {old_size} in one of {len(leaves)}")
    return _subproof(old_size, leaves, known=True)


def root_from_inclusion_path(leaf: bytes, *, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that a path leads to (RFC 9162, section 2.1.3.2); InvalidProof when it cannot lead to any."""
    if not 0 <= index < size:
        raise InvalidProof(f"leaf {index} is not in a tree of {size}")
    _check_hashes([leaf, *path])
    first, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise InvalidProof("the path is too long for the tree's size")
        if first & 1 or first == last:
            result = node_hash(sibling, result)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        first >>= 1
        last >>= 1
    if last:
        raise InvalidProof("the path is too short for the tree's size")
    return result


def verify_inclusion(leaf: bytes, *, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> None:
    """Check that a leaf hash is in the tree of that root; InvalidProof otherwise."""
    if root_from_inclusion_path(leaf, index=index, size=size, path=path) != expected_root:
        raise InvalidProof("the path leads to another root")


def verify_consistency(
    *, old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that one tree is a prefix of another (RFC 9162, section 2.1.4.2); InvalidProof otherwise."""
    if not 0 <= old_size <= new_size:
        raise InvalidProof(f"a tree of {old_size} is no prefix of one of {new_size}")
    _check_hashes([old_root, new_root, *path])
    if old_size in {0, new_size}:
        _check_trivial(old_size, new_size, old_root, new_root, path)
        return
    hashes = list(path)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)  # a whole subtree: the verifier has its root already
    if not hashes:
        raise InvalidProof("the path is too short for the trees' sizes")
    first, last = old_size - 1, new_size - 1
    while first & 1:
        first >>= 1
        last >>= 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise InvalidProof("the path is too long for the trees' sizes")
        if first & 1 or first == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        first >>= 1
        last >>= 1
    if last:
        raise InvalidProof("the path is too short for the trees' sizes")
    if (old, new) != (old_root, new_root):
        raise InvalidProof("the path leads to other roots")


def _check_trivial(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    if path:
        raise InvalidProof("equal or empty trees need no path")
    if old_size == 0 and old_root != EMPTY_ROOT:
        raise InvalidProof("the root of an empty tree is the hash of nothing")
    if old_size == new_size and old_root != new_root:
        raise InvalidProof("trees of one size have two roots")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(value) != HASH_LENGTH for value in hashes):
        raise InvalidProof("every hash has 32 bytes")


def split_of(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _subproof(old_size: int, leaves: Sequence[bytes], *, known: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if known else [root(leaves)]
    split = split_of(len(leaves))
    if old_size <= split:
        return [*_subproof(old_size, leaves[:split], known=known), root(leaves[split:])]
    return [*_subproof(old_size - split, leaves[split:], known=False), root(leaves[:split])]
