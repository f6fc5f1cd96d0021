"""Tiles give the same roots and paths as the whole tree, from six rows at most, and go on where they stopped."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voketag_kernel import rfc6962, tiles
from voketag_kernel.tiles import Coordinates, TileWriter

BIG = 70_000


def hashes_of(size: int) -> bytes:
    return b"".join(rfc6962.leaf_hash(number.to_bytes(4)) for number in range(size))


def write(hashes: bytes, chunk: int) -> tuple[dict[Coordinates, bytes], bytes]:
    writer, stored = TileWriter(), {}
    for at in range(0, len(hashes), chunk * 32):
        for tile in writer.append(hashes[at : at + chunk * 32]):
            stored[tile.level, tile.index] = tile.hashes
    for tile in writer.finish():
        stored[tile.level, tile.index] = tile.hashes
    return stored, writer.root()


@pytest.fixture(scope="module")
def big() -> tuple[list[bytes], dict[Coordinates, bytes], bytes]:
    hashes = hashes_of(BIG)
    stored, root = write(hashes, 8192)
    return [hashes[at : at + 32] for at in range(0, len(hashes), 32)], stored, root


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 513, 1000])
def test_the_root_is_that_of_the_whole_tree(size: int) -> None:
    hashes = hashes_of(size)
    leaves = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
    stored, root = write(hashes, 100)
    assert root == rfc6962.root(leaves)
    assert tiles.root(size, {place: stored[place] for place in tiles.tiles_of_root(size)}) == root
    for index in {0, size // 2, size - 1}:
        needed = {place: stored[place] for place in tiles.tiles_of_inclusion(index, size)}
        assert tiles.inclusion_path(index, size, needed) == rfc6962.inclusion_path(index, leaves)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, BIG - 1))
def test_any_path_of_a_large_tree_comes_from_few_tiles(
    big: tuple[list[bytes], dict[Coordinates, bytes], bytes], index: int
) -> None:
    leaves, stored, root = big
    needed = tiles.tiles_of_inclusion(index, BIG)
    assert len(needed) <= 6
    path = tiles.inclusion_path(index, BIG, {place: stored[place] for place in needed})
    rfc6962.verify_inclusion(leaves[index], index=index, size=BIG, path=path, expected_root=root)


@given(st.integers(0, 999_999))
def test_a_path_of_a_batch_of_a_million_needs_six_tiles_at_most(index: int) -> None:
    assert len(tiles.tiles_of_inclusion(index, 1_000_000)) <= 6


@pytest.mark.parametrize("cursor", [256, 512, 65_536, 65_792, 69_888])
def test_a_writer_that_resumes_writes_the_same_tiles(
    big: tuple[list[bytes], dict[Coordinates, bytes], bytes], cursor: int
) -> None:
    leaves, stored, root = big
    writer = TileWriter.resume(cursor, lambda level, index: stored[level, index])
    rest = [*writer.append(b"".join(leaves[cursor:])), *writer.finish()]
    assert writer.root() == root
    assert rest
    assert all(stored[tile.level, tile.index] == tile.hashes for tile in rest)


def test_roots_of_tiles_made_elsewhere_are_taken_as_they_are() -> None:
    hashes = hashes_of(1024 + 3)
    plain, root = write(hashes, 2000)
    writer, stored = TileWriter(), {}
    roots = b"".join(tiles.tile_root(hashes[at : at + 8192]) for at in range(0, 4 * 8192, 8192))
    for tile in [*writer.append(hashes[: 4 * 8192], roots), *writer.append(hashes[4 * 8192 :]), *writer.finish()]:
        stored[tile.level, tile.index] = tile.hashes
    assert (stored, writer.root()) == (plain, root)


def test_a_cursor_off_a_tile_s_edge_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 256"):
        TileWriter.resume(100, lambda _level, _index: b"")
