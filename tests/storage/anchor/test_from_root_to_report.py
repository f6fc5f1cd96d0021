"""The way of a root when nothing goes wrong."""

import hashlib

import pytest

from services.anchor.chain import EvmChain
from services.anchor.model import AnchorState
from services.common.errors import RootConflict
from tests.storage.anchor.line import Line
from voketag_kernel.receipts import root_leaf_data
from voketag_kernel.rfc6962 import leaf_hash, root, verify_inclusion

ROOT, OTHER_ROOT = b"\x01" * 32, b"\x02" * 32


def roots(count: int) -> list[bytes]:
    return [hashlib.sha256(str(index).encode()).digest() for index in range(count)]


async def test_many_roots_share_one_transaction_and_each_has_its_path(line: Line, chain: EvmChain) -> None:
    submitted = await line.submit(*roots(300))
    await line.send()
    receipt = await line.latest_mined()
    assert [row.tx_hash for row in await line.transactions()] == [receipt.tx_hash]
    assert await line.settling.settle() == 300
    leaves = [leaf_hash(root_leaf_data(anchor.merkle_root, anchor.tree_size)) for anchor in submitted]
    assert [(event.root, event.size) for event in receipt.events] == [(root(leaves), 300)]
    for index in (0, 1, 127, 255, 256, 299):
        found = await line.anchors.get(submitted[index].batch_id)
        assert found.state is AnchorState.CONFIRMED
        assert found.confirmed_at is not None
        inclusion = found.inclusion
        assert inclusion is not None
        assert (inclusion.tree_size, inclusion.root) == (300, root(leaves))
        assert (inclusion.tx_hash, inclusion.block_number) == (receipt.tx_hash, receipt.block_number)
        assert (inclusion.chain_id, inclusion.contract) == (chain.chain_id, chain.contract_address)
        verify_inclusion(
            leaves[index], index=inclusion.leaf_index, size=300, path=inclusion.path, expected_root=root(leaves)
        )


async def test_no_more_roots_than_the_setting_share_a_transaction(line: Line, chain: EvmChain) -> None:
    line.max_roots = 2
    await line.submit(*roots(3))
    for _ in range(2):
        await line.send()
        await line.latest_mined()
        await line.settling.settle()
    sizes = await line.rows("SELECT size, state, nonce FROM anchor.anchor_trees ORDER BY created_at")
    assert [tuple(row) for row in sizes] == [(2, "CONFIRMED", 0), (1, "CONFIRMED", 1)]


async def test_the_outcome_names_transaction_block_and_chain(line: Line, chain: EvmChain) -> None:
    (anchor,) = await line.submit(ROOT)
    await line.send()
    receipt = await line.latest_mined()
    await line.settling.settle()
    await line.reporting.report()
    (outcome,) = line.factory.heard
    assert (outcome.batch_id, outcome.merkle_root, outcome.state) == (anchor.batch_id, ROOT, AnchorState.CONFIRMED)
    assert (outcome.tx_hash, outcome.block_number) == (receipt.tx_hash, receipt.block_number)
    assert outcome.chain_id == chain.chain_id


async def test_an_outcome_that_was_taken_is_not_reported_again(line: Line, chain: EvmChain) -> None:
    (anchor,) = await line.submit(ROOT)
    await line.send()
    await line.latest_mined()
    await line.settling.settle()
    for _ in range(3):
        await line.reporting.report()
        line.clock.pass_by(3600)
    assert await line.batch_ids() == [anchor.batch_id]


async def test_the_same_root_of_a_batch_returns_the_same_anchor(line: Line) -> None:
    (anchor,) = await line.submit(ROOT)
    again = await line.anchors.submit(batch_id=anchor.batch_id, merkle_root=ROOT, tree_size=1)
    assert again == anchor
    assert len(await line.rows("SELECT 1 FROM anchor.anchors")) == 1


@pytest.mark.parametrize(("merkle_root", "tree_size"), [(OTHER_ROOT, 1), (ROOT, 2)])
async def test_another_root_or_size_of_a_batch_is_refused(line: Line, merkle_root: bytes, tree_size: int) -> None:
    (anchor,) = await line.submit(ROOT)
    with pytest.raises(RootConflict):
        await line.anchors.submit(batch_id=anchor.batch_id, merkle_root=merkle_root, tree_size=tree_size)
    assert (await line.anchors.get(anchor.batch_id)).leaf == anchor.leaf


async def test_roots_wait_for_others_for_the_aggregation_time_only(line: Line) -> None:
    assert await line.collecting.seconds_to_wait() is None
    await line.submit(ROOT)
    wait = await line.collecting.seconds_to_wait()
    assert wait is not None
    assert 0 < wait <= 1
    line.clock.pass_by(1)
    assert await line.collecting.seconds_to_wait() == 0


async def test_a_full_tree_waits_for_nothing(line: Line) -> None:
    line.max_roots = 2
    await line.submit(*roots(2))
    assert await line.collecting.seconds_to_wait() == 0


async def test_pages_go_from_the_newest_to_the_oldest_without_gaps(line: Line) -> None:
    submitted = await line.submit(*roots(5))
    first = await line.anchors.list_page(before=None, size=3, state=None)
    assert first.more
    second = await line.anchors.list_page(before=first.anchors[-1].anchor_id, size=3, state=None)
    assert not second.more
    assert [anchor.anchor_id for anchor in [*first.anchors, *second.anchors]] == [
        anchor.anchor_id for anchor in reversed(submitted)
    ]


async def test_a_listing_can_be_held_to_one_state(line: Line, chain: EvmChain) -> None:
    (first,) = await line.submit(ROOT)
    await line.send()
    await line.latest_mined()
    await line.settling.settle()
    (second,) = await line.submit(OTHER_ROOT)
    for state, anchor in ((AnchorState.CONFIRMED, first), (AnchorState.PENDING, second)):
        page = await line.anchors.list_page(before=None, size=0, state=state)
        assert [found.anchor_id for found in page.anchors] == [anchor.anchor_id]
