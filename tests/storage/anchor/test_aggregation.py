"""Which roots share a transaction, when, and in whose order; and what it costs each."""

import hashlib
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from services.anchor.chain import EvmChain
from services.anchor.model import LEAF_BYTES, AnchorKind, Leaf, that_fit
from services.common.ids import uuid7
from tests.storage.anchor.line import Line
from voketag_kernel.receipts import checkpoint_leaf_data, root_leaf_data
from voketag_kernel.rfc6962 import leaf_hash, root, verify_inclusion

SMALL, LARGE = uuid7(), uuid7()


def root_of(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(8)).digest()


async def submit_many(line: Line, count: int, *, tenant_id: UUID | None = None, first: int = 0) -> list[UUID]:
    """Put many roots in line at once, as the RPC would one by one; return their batches."""
    ids = sorted(uuid7() for _ in range(count))
    batches = [uuid4() for _ in range(count)]
    rows = [
        {"anchor": anchor_id, "batch": batch_id, "root": root_of(number), "size": number + 1, "tenant": tenant_id}
        for number, (anchor_id, batch_id) in enumerate(zip(ids, batches, strict=True), first)
    ]
    insert = (
        "INSERT INTO anchor.anchors (anchor_id, batch_id, merkle_root, tree_size, tenant_id, state, created_at)"
        " VALUES (:anchor, :batch, :root, :size, :tenant, 'PENDING', now())"
    )
    async with line.database.transaction() as tx:
        await tx.connection.execute(text(insert), rows)
    return batches


async def batches_in_order(line: Line) -> list[UUID]:
    """The batches of the newest tree, in the order of its leaves."""
    rows = await line.rows(
        "SELECT batch_id FROM anchor.anchors WHERE tree_id ="
        " (SELECT tree_id FROM anchor.anchor_trees ORDER BY created_at DESC, tree_id DESC LIMIT 1) ORDER BY leaf_index"
    )
    return [row.batch_id for row in rows]


async def test_ten_thousand_roots_share_one_transaction_and_its_price(line: Line, chain: EvmChain) -> None:
    batches = await submit_many(line, 10_000)
    await line.send()
    receipt = await line.latest_mined()
    assert await line.settling.settle() == 10_000
    assert await line.rows("SELECT 1 FROM anchor.anchors WHERE state <> 'CONFIRMED'") == []
    leaves = [leaf_hash(root_leaf_data(root_of(number), number + 1)) for number in range(10_000)]
    assert [(event.root, event.size) for event in receipt.events] == [(root(leaves), 10_000)]
    assert receipt.gas_used < 60_000, "what one root costs"
    assert receipt.gas_price_wei is not None
    price = receipt.gas_used * receipt.gas_price_wei
    for number in (0, 4_095, 8_191, 8_192, 9_999):
        inclusion = (await line.anchors.get(batches[number])).inclusion
        assert inclusion is not None
        assert inclusion.tx_hash == receipt.tx_hash
        assert inclusion.cost_wei is not None
        assert price <= inclusion.cost_wei * 10_000 < price + 10_000, "a ten-thousandth, rounded up"
        verify_inclusion(
            leaves[number],
            index=inclusion.leaf_index,
            size=10_000,
            path=inclusion.path,
            expected_root=root(leaves),
        )


async def test_a_root_in_no_block_has_no_price_yet(line: Line) -> None:
    (anchor,) = await line.submit(b"\x01" * 32)
    await line.collecting.collect()
    await line.sending.sign()
    inclusion = (await line.anchors.get(anchor.batch_id)).inclusion
    assert inclusion is not None
    assert inclusion.cost_wei is None


async def test_bytes_end_the_wait_and_bound_the_tree(line: Line) -> None:
    line.max_bytes = 56 + 62
    await line.anchors.submit(batch_id=uuid4(), merkle_root=b"\x01" * 32, tree_size=1)
    assert await line.collecting.seconds_to_wait() != 0
    await line.anchors.submit(batch_id=uuid4(), merkle_root=b"\x02" * 32, tree_size=1, kind=AnchorKind.LEDGER)
    assert await line.collecting.seconds_to_wait() == 0
    await line.anchors.submit(batch_id=uuid4(), merkle_root=b"\x03" * 32, tree_size=1)
    assert [await line.collecting.collect() for _ in range(3)] == [2, 1, 0]


async def test_a_tree_takes_one_root_however_few_bytes_it_may_have(line: Line) -> None:
    line.max_bytes = 1
    await line.submit(b"\x01" * 32, b"\x02" * 32)
    assert [await line.collecting.collect() for _ in range(3)] == [1, 1, 0]


async def test_an_urgent_root_waits_for_nothing_and_goes_before_its_tenants_others(line: Line) -> None:
    await submit_many(line, 3, tenant_id=LARGE)
    assert await line.collecting.seconds_to_wait() != 0
    hurried = await line.anchors.submit(
        batch_id=uuid4(), merkle_root=b"\x01" * 32, tree_size=1, urgent=True, tenant_id=LARGE
    )
    assert hurried.urgent
    assert await line.collecting.seconds_to_wait() == 0
    line.max_roots = 1
    await line.collecting.collect()
    assert await batches_in_order(line) == [hurried.batch_id]


async def test_a_waiting_root_is_hurried_by_submitting_it_again_and_never_slowed(line: Line) -> None:
    (anchor,) = await line.submit(b"\x01" * 32)
    for urgent, expected in ((True, True), (False, True)):
        again = await line.anchors.submit(
            batch_id=anchor.batch_id, merkle_root=b"\x01" * 32, tree_size=1, urgent=urgent
        )
        assert (again.anchor_id, again.urgent) == (anchor.anchor_id, expected)
    assert await line.collecting.seconds_to_wait() == 0


async def test_thousands_of_one_tenant_do_not_stand_before_the_one_of_another(line: Line) -> None:
    await submit_many(line, 3_000, tenant_id=LARGE)
    (one,) = await submit_many(line, 1, tenant_id=SMALL, first=3_000)
    (ours,) = await submit_many(line, 1, first=3_001)
    line.max_roots = 1_000
    await line.collecting.collect()
    order = await batches_in_order(line)
    assert {one, ours} <= set(order[:3]), "each tenant's first comes in the first turn"
    assert len(order) == 1_000


async def test_a_flood_of_urgent_roots_costs_another_tenant_nothing(line: Line) -> None:
    for number in range(20):
        await line.anchors.submit(
            batch_id=uuid4(), merkle_root=root_of(number), tree_size=1, urgent=True, tenant_id=LARGE
        )
    (one,) = await submit_many(line, 1, tenant_id=SMALL, first=20)
    line.max_roots = 2
    await line.collecting.collect()
    assert (await batches_in_order(line))[1] == one


async def test_within_a_tenant_the_oldest_root_comes_first(line: Line) -> None:
    batches = await submit_many(line, 5, tenant_id=LARGE)
    line.max_roots = 3
    await line.collecting.collect()
    assert await batches_in_order(line) == batches[:3]


@pytest.mark.parametrize("kind", AnchorKind)
def test_the_bytes_of_a_leaf_are_those_of_its_data(kind: AnchorKind) -> None:
    data = {AnchorKind.BATCH: root_leaf_data, AnchorKind.LEDGER: checkpoint_leaf_data}[kind]
    assert len(data(b"\x01" * 32, 1)) == LEAF_BYTES[kind]


@given(st.lists(st.sampled_from(AnchorKind), min_size=1, max_size=50), st.integers(1, 4_000))
def test_as_many_leaves_fit_as_the_bytes_allow_and_at_least_one(kinds: list[AnchorKind], max_bytes: int) -> None:
    leaves = [Leaf(b"\x01" * 32, 1, kind) for kind in kinds]
    count = that_fit(leaves, max_bytes=max_bytes)
    used = sum(LEAF_BYTES[kind] for kind in kinds[:count])
    assert 1 <= count <= len(leaves)
    assert count == 1 or used <= max_bytes
    assert count == len(leaves) or used + LEAF_BYTES[kinds[count]] > max_bytes
