"""Trees over batch roots are RFC 6962 trees, whatever their size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anchor.model import Leaf, build_tree
from voketag_kernel.receipts import root_leaf_data
from voketag_kernel.rfc6962 import inclusion_path, leaf_hash, root

leaves = st.builds(Leaf, merkle_root=st.binary(min_size=32, max_size=32), tree_size=st.integers(1, 2**63 - 1))


@given(st.lists(leaves, min_size=1, max_size=70))
def test_root_and_paths_are_those_of_the_kernel(found: list[Leaf]) -> None:
    built = build_tree(found)
    hashes = [leaf_hash(root_leaf_data(leaf.merkle_root, leaf.tree_size)) for leaf in found]
    assert built.root == root(hashes)
    assert [list(path) for path in built.paths] == [inclusion_path(index, hashes) for index in range(len(hashes))]


def test_a_single_root_is_its_own_leaf() -> None:
    # SHA-256 of 0x00, "voketag/root/v1", 0x00, 32 times 0x01, and 7 as 8 bytes, by `sha256sum`.
    built = build_tree([Leaf(b"\x01" * 32, 7)])
    assert built.root.hex() == "2cffd9154beb9518fd301132f6f88c2c0ea47e96cc76e78b850d04181a3bf4fc"
    assert built.paths == ((),)


def test_a_tree_over_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no roots"):
        build_tree([])
