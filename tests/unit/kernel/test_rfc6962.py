"""RFC 6962 trees: the vectors, every edge that the RFCs name, and no proof that can be bent."""

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voketag_kernel import rfc6962
from voketag_kernel.rfc6962 import InvalidProof, verify_consistency, verify_inclusion


def leaves_of(size: int) -> list[bytes]:
    return [rfc6962.leaf_hash(number.to_bytes(4)) for number in range(size)]


def merkle_tree_hash(leaves: list[bytes]) -> bytes:
    """MTH word for word from RFC 6962, section 2.1, over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    k = max(2**power for power in range(len(leaves).bit_length()) if 2**power < len(leaves))
    return sha256(b"\x01" + merkle_tree_hash(leaves[:k]) + merkle_tree_hash(leaves[k:])).digest()


def test_roots_and_paths_are_those_of_the_vectors(vectors: dict[str, Any]) -> None:
    leaves = [bytes.fromhex(unit["leaf_hash"]) for unit in vectors["batch"]["units"]]
    for tree in vectors["batch"]["trees"]:
        size = tree["size"]
        assert rfc6962.root(leaves[:size]).hex() == tree["root"]
        for index, path in enumerate(tree["proofs"]):
            assert [node.hex() for node in rfc6962.inclusion_path(index, leaves[:size])] == path


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert rfc6962.root([]) == sha256(b"").digest()


@pytest.fixture(scope="module")
def published() -> list[bytes]:
    """Leaf hashes of the eight inputs that implementations of certificate transparency share."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    return [rfc6962.leaf_hash(bytes.fromhex(text)) for text in inputs]


def test_the_roots_of_the_shared_inputs_are_the_published_ones(published: list[bytes]) -> None:
    leaves = published
    assert rfc6962.root(leaves[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert rfc6962.root(leaves[:2]).hex() == "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
    assert rfc6962.root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.mark.parametrize(
    ("index", "size", "path"),
    [
        (0, 1, []),
        (0, 8, ["96a296d224f285c6", "5f083f0a1a33ca07", "6b47aaf29ee3c2af"]),
        (5, 8, ["bc1a0643b12e4d2d", "ca854ea128ed050b", "d37ee418976dd957"]),
        (2, 3, ["fac54203e7cc696c"]),
        (1, 5, ["6e340b9cffb37a98", "5f083f0a1a33ca07", "bc1a0643b12e4d2d"]),
    ],
)
def test_inclusion_paths_of_the_shared_inputs_are_the_published_ones(
    published: list[bytes], index: int, size: int, path: list[str]
) -> None:
    assert [node.hex()[:16] for node in rfc6962.inclusion_path(index, published[:size])] == path


@pytest.mark.parametrize(
    ("old_size", "size", "path"),
    [
        (1, 1, []),
        (1, 8, ["96a296d224f285c6", "5f083f0a1a33ca07", "6b47aaf29ee3c2af"]),
        (6, 8, ["0ebc5d3437fbe2db", "ca854ea128ed050b", "d37ee418976dd957"]),
        (2, 5, ["5f083f0a1a33ca07", "bc1a0643b12e4d2d"]),
    ],
)
def test_consistency_paths_of_the_shared_inputs_are_the_published_ones(
    published: list[bytes], old_size: int, size: int, path: list[str]
) -> None:
    assert [node.hex()[:16] for node in rfc6962.consistency_path(old_size, published[:size])] == path


def test_a_builder_knows_the_root_at_every_size() -> None:
    leaves, builder = leaves_of(40), rfc6962.TreeBuilder()
    assert builder.root() == rfc6962.EMPTY_ROOT
    for size, leaf in enumerate(leaves, 1):
        builder.append(leaf)
        assert builder.size == size
        assert builder.root() == merkle_tree_hash(leaves[:size])
    other = rfc6962.TreeBuilder()
    other.extend(leaves)
    assert other.root() == builder.root()


def test_a_path_verifies_at_its_own_index_only() -> None:
    for size in range(1, 20):
        leaves = leaves_of(size)
        expected = rfc6962.root(leaves)
        for index in range(size):
            path = rfc6962.inclusion_path(index, leaves)
            verify_inclusion(leaves[index], index=index, size=size, path=path, expected_root=expected)
            for other in set(range(-1, size + 2)) - {index}:
                with pytest.raises(InvalidProof):
                    verify_inclusion(leaves[index], index=other, size=size, path=path, expected_root=expected)


@given(st.integers(2, 70), st.data())
def test_no_bit_of_a_path_can_change_unnoticed(size: int, data: st.DataObject) -> None:
    leaves, index, old = leaves_of(size), data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size - 1))
    inclusion, consistency = rfc6962.inclusion_path(index, leaves), rfc6962.consistency_path(old, leaves)
    expected, old_root = rfc6962.root(leaves), rfc6962.root(leaves[:old])
    bit = 1 << data.draw(st.integers(0, 255))
    for at, node in enumerate(inclusion):
        bent = [*inclusion[:at], (int.from_bytes(node) ^ bit).to_bytes(32), *inclusion[at + 1 :]]
        with pytest.raises(InvalidProof):
            verify_inclusion(leaves[index], index=index, size=size, path=bent, expected_root=expected)
    for at, node in enumerate(consistency):
        bent = [*consistency[:at], (int.from_bytes(node) ^ bit).to_bytes(32), *consistency[at + 1 :]]
        with pytest.raises(InvalidProof):
            verify_consistency(old_size=old, new_size=size, old_root=old_root, new_root=expected, path=bent)


@given(st.integers(1, 70), st.data())
def test_every_leaf_of_every_tree_is_included(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    index = data.draw(st.integers(0, size - 1))
    path = rfc6962.inclusion_path(index, leaves)
    verify_inclusion(leaves[index], index=index, size=size, path=path, expected_root=rfc6962.root(leaves))


@given(st.integers(1, 70), st.data())
def test_a_bent_inclusion_proof_is_refused(size: int, data: st.DataObject) -> None:
    leaves, index = leaves_of(size), data.draw(st.integers(0, size - 1))
    path, expected = rfc6962.inclusion_path(index, leaves), rfc6962.root(leaves)
    bent = data.draw(st.sampled_from(["extra", "missing", "changed", "index", "root", "leaf"]))
    leaf = leaves[index]
    if bent == "extra":
        path = [*path, bytes(32)]
    elif bent == "missing" and path:
        path = path[:-1]
    elif bent == "changed" and path:
        at = data.draw(st.integers(0, len(path) - 1))
        path = [*path[:at], bytes(32), *path[at + 1 :]]
    elif bent == "index" and size > 1:
        index = (index + 1) % size
    elif bent == "root":
        expected = bytes(32)
    else:
        leaf = rfc6962.leaf_hash(b"another")
    with pytest.raises(InvalidProof):
        verify_inclusion(leaf, index=index, size=size, path=path, expected_root=expected)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 1), (5, 5)])
def test_a_leaf_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(InvalidProof, match="not in a tree"):
        verify_inclusion(bytes(32), index=index, size=size, path=[], expected_root=bytes(32))


def test_a_tree_of_one_leaf_is_its_own_root() -> None:
    leaf = rfc6962.leaf_hash(b"only")
    verify_inclusion(leaf, index=0, size=1, path=[], expected_root=leaf)
    with pytest.raises(InvalidProof, match="too long"):
        verify_inclusion(leaf, index=0, size=1, path=[bytes(32)], expected_root=leaf)


def test_a_hash_of_another_length_is_refused() -> None:
    with pytest.raises(InvalidProof, match="32 bytes"):
        verify_inclusion(bytes(32), index=0, size=2, path=[bytes(31)], expected_root=bytes(32))


def test_an_inner_node_does_not_pass_for_a_leaf() -> None:
    left, right = leaves_of(2)
    assert rfc6962.leaf_hash(left + right) != rfc6962.root([left, right])


def test_a_doubled_last_leaf_makes_another_root() -> None:
    leaves = leaves_of(3)
    assert rfc6962.root(leaves) != rfc6962.root([*leaves, leaves[-1]])


@settings(max_examples=200)
@given(st.integers(1, 70), st.data())
def test_every_tree_is_consistent_with_its_prefixes(size: int, data: st.DataObject) -> None:
    leaves, old = leaves_of(size), data.draw(st.integers(1, size))
    path = rfc6962.consistency_path(old, leaves)
    roots = {"old_root": rfc6962.root(leaves[:old]), "new_root": rfc6962.root(leaves)}
    verify_consistency(old_size=old, new_size=size, path=path, **roots)
    with pytest.raises(InvalidProof, match=r"too long|no path"):
        verify_consistency(old_size=old, new_size=size, path=[*path, bytes(32)], **roots)
    if path:
        with pytest.raises(InvalidProof):
            verify_consistency(old_size=old, new_size=size, path=path[:-1], **roots)
        with pytest.raises(InvalidProof):
            verify_consistency(old_size=old, new_size=size, path=[*path[:-1], bytes(32)], **roots)
    if old != size:
        with pytest.raises(InvalidProof):
            verify_consistency(old_size=old, new_size=size, path=path, **{**roots, "old_root": bytes(32)})


def test_the_empty_tree_is_a_prefix_of_every_tree_without_a_path() -> None:
    leaves = leaves_of(3)
    verify_consistency(old_size=0, new_size=3, old_root=rfc6962.EMPTY_ROOT, new_root=rfc6962.root(leaves), path=[])
    with pytest.raises(InvalidProof, match="empty tree"):
        verify_consistency(old_size=0, new_size=3, old_root=bytes(32), new_root=rfc6962.root(leaves), path=[])


@pytest.mark.parametrize(("old_size", "new_size"), [(0, 0), (0, 3), (3, 3)])
def test_equal_or_empty_trees_take_no_path(old_size: int, new_size: int) -> None:
    leaves = leaves_of(3)
    roots = {"old_root": rfc6962.root(leaves[:old_size]), "new_root": rfc6962.root(leaves[:new_size])}
    verify_consistency(old_size=old_size, new_size=new_size, path=[], **roots)
    with pytest.raises(InvalidProof, match="no path"):
        verify_consistency(old_size=old_size, new_size=new_size, path=[bytes(32)], **roots)


@pytest.mark.parametrize("old_size", [1, 2, 3])
def test_a_grown_tree_without_a_path_is_refused(old_size: int) -> None:
    leaves = leaves_of(5)
    roots = {"old_root": rfc6962.root(leaves[:old_size]), "new_root": rfc6962.root(leaves)}
    with pytest.raises(InvalidProof, match="too short"):
        verify_consistency(old_size=old_size, new_size=5, path=[], **roots)


@pytest.mark.parametrize("old_size", [0, 4, -1])
def test_no_consistency_path_is_made_for_a_tree_that_is_no_prefix(old_size: int) -> None:
    with pytest.raises(IndexError):
        rfc6962.consistency_path(old_size, leaves_of(3))


@pytest.mark.parametrize("index", [-1, 3])
def test_no_inclusion_path_is_made_for_a_leaf_outside_the_tree(index: int) -> None:
    with pytest.raises(IndexError):
        rfc6962.inclusion_path(index, leaves_of(3))


def test_trees_of_one_size_with_two_roots_are_a_contradiction() -> None:
    with pytest.raises(InvalidProof, match="two roots"):
        verify_consistency(old_size=2, new_size=2, old_root=bytes(32), new_root=b"\1" * 32, path=[])


def test_a_larger_tree_is_no_prefix_of_a_smaller_one() -> None:
    with pytest.raises(InvalidProof, match="no prefix"):
        verify_consistency(old_size=3, new_size=2, old_root=bytes(32), new_root=bytes(32), path=[])


@pytest.mark.parametrize("size", range(1, 70))
def test_the_length_of_a_path_is_known_before_the_path(size: int) -> None:
    leaves = leaves_of(size)
    for index in range(size):
        assert rfc6962.path_length(index, size) == len(rfc6962.inclusion_path(index, leaves))


@pytest.mark.parametrize(
    ("index", "size", "hashes"), [(0, 1, 0), (2, 3, 1), (0, 1 << 62, 62), ((1 << 62), (1 << 62) + 1, 1)]
)
def test_the_length_of_a_path_takes_no_tree_to_count(index: int, size: int, hashes: int) -> None:
    assert rfc6962.path_length(index, size) == hashes


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_a_leaf_outside_of_the_tree_has_no_path(index: int, size: int) -> None:
    with pytest.raises(IndexError):
        rfc6962.path_length(index, size)
