"""Hash tiles: an RFC 6962 tree in rows of 256 hashes, the shape of C2SP tlog-tiles.

Tile (level, index) holds the hashes of tree level 8 * level from index * 256 on, each the root of a perfect subtree
of 256^level leaves; the last tile of a level may be partial. Any node is computed from one tile, so a proof needs
at most two tiles a level: the one over the leaf, for its neighbours, and the one at the right edge, for the ragged
rest. A batch of 1,000,000 has three levels and the topmost is a single tile, so a path is five reads at most.

The functions name the tiles that they need (`tiles_of_...`), so that callers fetch them in one query, and then
compute from a mapping. Nothing here reads or stores. A tile that is cut short is a ValueError, never a wrong hash.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from voketag_kernel.rfc6962 import HASH_LENGTH, join, split_of

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
FULL_TILE_LENGTH: Final = TILE_WIDTH * HASH_LENGTH

Coordinates = tuple[int, int]
"""(level, index) of a tile."""
Tiles = Mapping[Coordinates, bytes]
"""Tiles at hand; each value is up to 256 hashes of 32 bytes."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile to store."""

    level: int
    index: int
    hashes: bytes


class TileWriter:
    """Turns a stream of leaf hashes into tiles with constant memory: less than one tile a level waits."""

    def __init__(self) -> None:
        """Start with no leaves; `size` counts those taken."""
        self.size = 0
        self._waiting: list[bytearray] = [bytearray()]

    @classmethod
    def resume(cls, size: int, read_tile: Callable[[int, int], bytes]) -> "TileWriter":
        """Go on after `size` leaves (a multiple of 256) whose full tiles are stored; ValueError otherwise.

        `read_tile(level, index)` is asked for the tiles of `tiles_of_resume(size)` only.
        """
        writer = cls()
        for level, index in sorted(tiles_of_resume(size)):
            writer._at(level + 1).extend(tile_root(read_tile(level, index)))
        writer.size = size
        return writer

    def append(self, leaves: bytes, tile_roots: bytes | None = None) -> list[Tile]:
        """Take leaf hashes (32 bytes each) and return the tiles that they fill.

        `tile_roots` spares the hashing when the roots of these leaves' full tiles were computed elsewhere; then the
        stream must stand at a tile's edge. ValueError, and nothing taken, when the lengths do not fit.
        """
        if len(leaves) % HASH_LENGTH:
            raise ValueError("leaf hashes have 32 bytes each")
        if tile_roots is not None:
            if self.size % TILE_WIDTH:
                raise ValueError("roots of tiles can only be given at a tile's edge")
            if len(tile_roots) != len(leaves) // FULL_TILE_LENGTH * HASH_LENGTH:
                raise ValueError("give the root of every tile that the leaves fill, and no other")
        self.size += len(leaves) // HASH_LENGTH
        finished: list[Tile] = []
        level, rising = 0, leaves
        while filled := self._fill(level, rising):
            finished += filled
            rising = tile_roots or b"".join([tile_root(tile.hashes) for tile in filled])
            level, tile_roots = level + 1, None
        return finished

    def finish(self) -> list[Tile]:
        """Return the partial tiles of the right edge; the writer can go on after it."""
        return [
            Tile(level, self._entries(level) // TILE_WIDTH, bytes(waiting))
            for level, waiting in enumerate(self._waiting)
            if waiting
        ]

    def root(self) -> bytes:
        """Return the root of the tree so far."""
        peaks = [
            subtree
            for level in reversed(range(len(self._waiting)))
            for subtree in _peaks_of(bytes(self._waiting[level]))
        ]
        return join(peaks)

    def _entries(self, level: int) -> int:
        return self.size >> (TILE_HEIGHT * level)

    def _at(self, level: int) -> bytearray:
        while len(self._waiting) <= level:
            self._waiting.append(bytearray())
        return self._waiting[level]

    def _fill(self, level: int, hashes: bytes) -> list[Tile]:
        """Put hashes into a level's row and take the full tiles from it."""
        row = self._at(level)
        row += hashes
        full = len(row) // FULL_TILE_LENGTH
        first = self._entries(level) // TILE_WIDTH - full
        filled = [
            Tile(level, first + nth, bytes(row[nth * FULL_TILE_LENGTH : (nth + 1) * FULL_TILE_LENGTH]))
            for nth in range(full)
        ]
        del row[: full * FULL_TILE_LENGTH]
        return filled


def tiles_of_resume(size: int) -> set[Coordinates]:
    """Return the full tiles whose roots wait in a writer of `size` leaves, at most 255 a level.

    ValueError unless `size` is a multiple of 256: only at a tile's edge is everything stored.
    """
    if size < 0 or size % TILE_WIDTH:
        raise ValueError(f"{size} is not a multiple of {TILE_WIDTH}")
    coordinates: set[Coordinates] = set()
    level, full = 0, size // TILE_WIDTH
    while full:
        coordinates |= {(level, index) for index in range(full - full % TILE_WIDTH, full)}
        level, full = level + 1, full // TILE_WIDTH
    return coordinates


def tile_root(hashes: bytes) -> bytes:
    """Return the root over a full tile; ValueError when it is not full."""
    if len(hashes) != FULL_TILE_LENGTH:
        raise ValueError(f"a full tile has {FULL_TILE_LENGTH} bytes, not {len(hashes)}")
    return _perfect_root(hashes)


def tiles_of_inclusion(index: int, size: int) -> set[Coordinates]:
    """Return the tiles that a leaf's inclusion path is computed from; IndexError when the tree has no such leaf."""
    return _tiles_of(_inclusion_nodes(index, size))


def inclusion_path(index: int, size: int, tiles: Tiles) -> list[bytes]:
    """Return a leaf's inclusion path in RFC 6962 order; KeyError when a tile of `tiles_of_inclusion` is missing."""
    return [_hash(nodes, tiles) for nodes in _inclusion_nodes(index, size)]


def tiles_of_consistency(old_size: int, size: int) -> set[Coordinates]:
    """Return the tiles that a consistency path is computed from; IndexError unless 0 < old_size <= size."""
    return _tiles_of(_consistency_nodes(old_size, size))


def consistency_path(old_size: int, size: int, tiles: Tiles) -> list[bytes]:
    """Return the proof that the tree of `old_size` leaves is a prefix of that of `size` (RFC 6962, section 2.1.2)."""
    return [_hash(nodes, tiles) for nodes in _consistency_nodes(old_size, size)]


def tiles_of_root(size: int) -> set[Coordinates]:
    """Return the tiles that the root is computed from: the right edge."""
    return _tiles_of([_peaks(0, size)])


def root(size: int, tiles: Tiles) -> bytes:
    """Return the root of a tree from its tiles."""
    return _hash(_peaks(0, size), tiles)


_Node = tuple[int, int]
"""A perfect subtree: tree level, index on that level."""


def _inclusion_nodes(index: int, size: int) -> list[list[_Node]]:
    """Return, for each step of the path, the perfect subtrees whose roots join to the sibling's hash."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} of {size}")
    groups: list[list[_Node]] = []
    start = 0
    while size > 1:
        split = split_of(size)
        if index < split:
            groups.append(_peaks(start + split, size - split))
            size = split
        else:
            groups.append(_peaks(start, split))
            index, start, size = index - split, start + split, size - split
    return groups[::-1]


def _consistency_nodes(old_size: int, size: int) -> list[list[_Node]]:
    """Return the same for a consistency path: SUBPROOF of RFC 6962, section 2.1.2, without its recursion."""
    if not 0 < old_size <= size:
        raise IndexError(f"tree of {old_size} in one of {size}")
    groups: list[list[_Node]] = []
    start, known = 0, True
    while old_size < size:
        split = split_of(size)
        if old_size <= split:
            groups.append(_peaks(start + split, size - split))
            size = split
        else:
            groups.append(_peaks(start, split))
            old_size, start, size, known = old_size - split, start + split, size - split, False
    if not known:
        groups.append(_peaks(start, size))
    return groups[::-1]


def _peaks(start: int, size: int) -> list[_Node]:
    """Return the perfect subtrees that cover `size` leaves from `start`, largest first."""
    peaks = []
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            peaks.append((level, start >> level))
            start += 1 << level
    return peaks


def _tile_of(level: int, node: int) -> Coordinates:
    return level // TILE_HEIGHT, node << level % TILE_HEIGHT >> TILE_HEIGHT


def _tiles_of(groups: Iterable[Sequence[_Node]]) -> set[Coordinates]:
    return {_tile_of(level, node) for nodes in groups for level, node in nodes}


def _hash(nodes: Sequence[_Node], tiles: Tiles) -> bytes:
    """Return the hash over neighbouring perfect subtrees."""
    return join([_node_root(level, node, tiles) for level, node in nodes])


def _node_root(level: int, node: int, tiles: Tiles) -> bytes:
    """Return the root of a perfect subtree: over 2^(level mod 8) neighbours of one tile."""
    width = HASH_LENGTH << level % TILE_HEIGHT
    start = node * width % FULL_TILE_LENGTH
    place = _tile_of(level, node)
    hashes = tiles[place][start : start + width]
    if len(hashes) != width:
        raise ValueError(f"tile {place} is cut short")
    return _perfect_root(hashes)


def _perfect_root(hashes: bytes) -> bytes:
    """Return the root over 2^n hashes, row by row: siblings stand side by side, so one slice is both children."""
    pair = 2 * HASH_LENGTH
    while len(hashes) > HASH_LENGTH:
        hashes = b"".join(
            [sha256(b"\x01" + hashes[at : at + pair]).digest() for at in range(0, len(hashes), pair)],
        )
    return hashes


def _peaks_of(hashes: bytes) -> list[bytes]:
    """Return the perfect subtrees' roots over a partial tile, largest first."""
    peaks, at = [], 0
    count = len(hashes) // HASH_LENGTH
    for level in reversed(range(count.bit_length())):
        if count >> level & 1:
            end = at + (HASH_LENGTH << level)
            peaks.append(_perfect_root(hashes[at:end]))
            at = end
    return peaks
