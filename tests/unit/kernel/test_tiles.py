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


Big = tuple[list[bytes], dict[Coordinates, bytes], bytes]
"""Leaf hashes, tiles and root of one tree."""


@pytest.fixture(scope="module")
def big() -> Big:
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
def test_any_path_of_a_large_tree_comes_from_few_tiles(big: Big, index: int) -> None:
    leaves, stored, root = big
    needed = tiles.tiles_of_inclusion(index, BIG)
    assert len(needed) <= 6
    path = tiles.inclusion_path(index, BIG, {place: stored[place] for place in needed})
    rfc6962.verify_inclusion(leaves[index], index=index, size=BIG, path=path, expected_root=root)


@given(st.integers(1, 1_000_000), st.data())
def test_a_path_of_a_batch_of_a_million_needs_five_tiles_at_most(size: int, data: st.DataObject) -> None:
    assert len(tiles.tiles_of_inclusion(data.draw(st.integers(0, size - 1)), size)) <= 5


@settings(max_examples=25, deadline=None)
@given(st.integers(1, BIG))
def test_any_two_states_of_a_large_tree_are_consistent(big: Big, old_size: int) -> None:
    leaves, stored, root = big
    needed = {place: stored[place] for place in tiles.tiles_of_consistency(old_size, BIG)}
    path = tiles.consistency_path(old_size, BIG, needed)
    old_root = rfc6962.root(leaves[:old_size])
    rfc6962.verify_consistency(old_size=old_size, new_size=BIG, old_root=old_root, new_root=root, path=path)


@given(st.integers(1, 600), st.data())
def test_paths_from_tiles_are_those_of_the_whole_tree(big: Big, size: int, data: st.DataObject) -> None:
    leaves = big[0][:size]
    stored, root = write(b"".join(leaves), data.draw(st.integers(1, 300)))
    index, old_size = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert tiles.root(size, stored) == root == rfc6962.root(leaves)
    assert tiles.inclusion_path(index, size, stored) == rfc6962.inclusion_path(index, leaves)
    assert tiles.consistency_path(old_size, size, stored) == rfc6962.consistency_path(old_size, leaves)


def test_tiles_of_a_grown_tree_prove_its_earlier_states(big: Big) -> None:
    leaves, stored, _root = big
    path = tiles.inclusion_path(200, 300, stored)
    rfc6962.verify_inclusion(leaves[200], index=200, size=300, path=path, expected_root=rfc6962.root(leaves[:300]))


def test_the_tree_without_leaves_has_no_tiles() -> None:
    writer = TileWriter()
    assert (writer.append(b""), writer.finish(), writer.root()) == ([], [], rfc6962.EMPTY_ROOT)
    assert tiles.root(0, {}) == rfc6962.EMPTY_ROOT
    assert tiles.tiles_of_root(0) == set()


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 1), (300, 256)])
def test_a_leaf_outside_the_tree_has_no_path(index: int, size: int) -> None:
    with pytest.raises(IndexError):
        tiles.tiles_of_inclusion(index, size)


@pytest.mark.parametrize(("old_size", "size"), [(0, 1), (2, 1), (-1, 1), (0, 0)])
def test_a_tree_that_is_no_prefix_has_no_path(old_size: int, size: int) -> None:
    with pytest.raises(IndexError):
        tiles.tiles_of_consistency(old_size, size)


def test_a_tile_that_is_cut_short_gives_no_hash(big: Big) -> None:
    _leaves, stored, _root = big
    for place in tiles.tiles_of_inclusion(1000, BIG):
        with pytest.raises(ValueError, match="cut short"):
            tiles.inclusion_path(1000, BIG, {**stored, place: stored[place][:31]})


@pytest.mark.parametrize("cursor", [0, 256, 512, 65_536, 65_792, 69_888])
def test_a_writer_that_resumes_writes_the_same_tiles(big: Big, cursor: int) -> None:
    leaves, stored, root = big
    needed = {place: stored[place] for place in tiles.tiles_of_resume(cursor)}
    writer = TileWriter.resume(cursor, lambda level, index: needed[level, index])
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


@pytest.mark.parametrize(
    ("taken", "leaves", "roots"),
    [
        (0, bytes(31), None),
        (0, bytes(8192), b""),
        (0, bytes(8192), bytes(31)),
        (0, bytes(8192), bytes(64)),
        (1, bytes(8192), bytes(32)),
    ],
)
def test_leaves_or_roots_that_do_not_fit_are_refused_and_nothing_is_taken(
    taken: int, leaves: bytes, roots: bytes | None
) -> None:
    writer = TileWriter()
    writer.append(bytes(32) * taken)
    before = (writer.size, writer.root())
    with pytest.raises(ValueError, match=r"32 bytes|root"):
        writer.append(leaves, roots)
    assert (writer.size, writer.root()) == before


@pytest.mark.parametrize("size", [100, -256])
def test_a_cursor_off_a_tile_s_edge_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 256"):
        TileWriter.resume(size, lambda _level, _index: b"")


def test_a_writer_does_not_resume_from_a_tile_that_is_not_full() -> None:
    with pytest.raises(ValueError, match="full tile"):
        TileWriter.resume(256, lambda _level, _index: bytes(8160))
