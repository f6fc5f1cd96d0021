"""Hash tiles: an RFC 6962 tree in rows of 256 hashes, the shape of C2SP tlog-tiles.

Tile (level, index) holds the hashes of tree level 8 * level from index * 256 on, each the root of a perfect subtree
of 256^level leaves; the last tile of a level may be partial. Any node is computed from one tile, so a proof needs
at most two tiles a level - the one over the leaf and the one at the right edge: six for up to 2^24 leaves, whatever
the batch's size.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from voketag_kernel.rfc6962 import HASH_LENGTH, join, node_hash

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
FULL_TILE_LENGTH = TILE_WIDTH * HASH_LENGTH

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
        self.size = 0
        self._waiting: list[bytearray] = [bytearray()]

    @classmethod
    def resume(cls, size: int, read_tile: Callable[[int, int], bytes]) -> "TileWriter":
        """Go on after `size` leaves (a multiple of 256) whose full tiles are stored.

        What waits at a level are the roots of full tiles one level down; `read_tile(level, index)` reads those.
        """
        if size % TILE_WIDTH:
            raise ValueError(f"{size} is not a multiple of {TILE_WIDTH}")
        writer = cls()
        writer.size = size
        level, entries = 1, size // TILE_WIDTH
        while entries:
            waiting = range(entries - entries % TILE_WIDTH, entries)
            writer._at(level).extend(b"".join(tile_root(read_tile(level - 1, index)) for index in waiting))
            level, entries = level + 1, entries // TILE_WIDTH
        return writer

    def append(self, leaves: bytes, tile_roots: bytes | None = None) -> Iterator[Tile]:
        """Take leaf hashes (32 bytes each) and yield the tiles that they fill.

        `tile_roots` spares the hashing when the roots of these leaves' tiles were computed elsewhere; then the stream
        must stand at a tile's edge.
        """
        if tile_roots is not None and self.size % TILE_WIDTH:
            raise ValueError("roots of tiles can only be given at a tile's edge")
        self.size += len(leaves) // HASH_LENGTH
        yield from self._fill(0, leaves, tile_roots)

    def finish(self) -> Iterator[Tile]:
        """Yield the partial tiles of the right edge."""
        for level, waiting in enumerate(self._waiting):
            if waiting:
                yield Tile(level, self._entries(level) // TILE_WIDTH, bytes(waiting))

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

    def _fill(self, level: int, hashes: bytes, roots: bytes | None) -> Iterator[Tile]:
        waiting = self._at(level)
        waiting += hashes
        full = len(waiting) // FULL_TILE_LENGTH
        if not full:
            return
        first = self._entries(level) // TILE_WIDTH - full
        filled = bytes(waiting[: full * FULL_TILE_LENGTH])
        del waiting[: full * FULL_TILE_LENGTH]
        above = bytearray()
        for position in range(full):
            tile = filled[position * FULL_TILE_LENGTH : (position + 1) * FULL_TILE_LENGTH]
            yield Tile(level, first + position, tile)
            known = roots[position * HASH_LENGTH : (position + 1) * HASH_LENGTH] if roots else None
            above += known or tile_root(tile)
        yield from self._fill(level + 1, bytes(above), None)


def tile_root(hashes: bytes) -> bytes:
    """Return the root over a full tile."""
    if len(hashes) != FULL_TILE_LENGTH:
        raise ValueError("a full tile has 256 hashes")
    return _perfect_root(hashes)


def tiles_of_inclusion(index: int, size: int) -> set[Coordinates]:
    """Return the tiles that a leaf's inclusion path is computed from: at most two a level."""
    return {_tile_of(level, node) for group in _inclusion_nodes(index, size) for level, node in group}


def inclusion_path(index: int, size: int, tiles: Tiles) -> list[bytes]:
    """Return a leaf's inclusion path in RFC 6962 order; KeyError when a tile of `tiles_of_inclusion` is missing."""
    return [join([_node(level, node, tiles) for level, node in group]) for group in _inclusion_nodes(index, size)]


def tiles_of_root(size: int) -> set[Coordinates]:
    """Return the tiles that the root is computed from: the right edge."""
    return {_tile_of(level, node) for level, node in _peaks(0, size)}


def root(size: int, tiles: Tiles) -> bytes:
    """Return the root of a tree from its tiles."""
    return join([_node(level, node, tiles) for level, node in _peaks(0, size)])


_NodeId = tuple[int, int]  # tree level, index on that level


def _inclusion_nodes(index: int, size: int) -> list[list[_NodeId]]:
    """Return, for each step of the path, the perfect subtrees whose roots join to the sibling's hash."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} of {size}")
    groups: list[list[_NodeId]] = []
    start = 0
    while size > 1:
        split = 1 << (size - 1).bit_length() - 1
        if index < split:
            groups.append(_peaks(start + split, size - split))
            size = split
        else:
            groups.append(_peaks(start, split))
            index, start, size = index - split, start + split, size - split
    return groups[::-1]


def _peaks(start: int, size: int) -> list[_NodeId]:
    """Return the perfect subtrees that cover `size` leaves from `start`, largest first."""
    peaks = []
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            peaks.append((level, start >> level))
            start += 1 << level
    return peaks


def _tile_of(level: int, node: int) -> Coordinates:
    return level // TILE_HEIGHT, node << level % TILE_HEIGHT >> TILE_HEIGHT


def _node(level: int, node: int, tiles: Tiles) -> bytes:
    """Return the root of a perfect subtree: over 2^(level mod 8) neighbours of one tile."""
    below = level % TILE_HEIGHT
    first = (node << below) % TILE_WIDTH
    return _perfect_root(tiles[_tile_of(level, node)][first * HASH_LENGTH : (first + (1 << below)) * HASH_LENGTH])


def _perfect_root(hashes: bytes) -> bytes:
    row = [hashes[at : at + HASH_LENGTH] for at in range(0, len(hashes), HASH_LENGTH)]
    while len(row) > 1:
        pairs = iter(row)
        row = [node_hash(left, right) for left, right in zip(pairs, pairs, strict=True)]
    return row[0]


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
