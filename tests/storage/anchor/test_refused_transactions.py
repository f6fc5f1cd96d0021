"""Transactions that are mined in vain: their roots wait with a reason, and no gas burns in a loop."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from deploy.local.anvil import Anvil
from services.anchor.chain import EvmChain
from services.anchor.chain_types import Fees, SizedRoot, TransactionReceipt
from services.anchor.model import Anchor, AnchorState, Standing, pause_after_refusals
from services.anchor.operations.observing import Observing
from services.anchor.signer import FileSigner
from services.anchor.storage import chains
from services.anchor.transactions import encode_call, sign
from services.common.errors import AnchorNotFound, WrongAnchorState
from tests.storage.anchor.line import Line
from tests.storage.anchor.meddling import MeddlingNode, meddling_node
from tests.storage.anchor.test_misbehaving_chain import set_writer
from tests.storage.anchor.truth import anchored_twice
from tests.storage.anchor_chain.development import GWEI, OWNER, WRITER, OpenChain, hold_blocks, mine, mined

ROOT, OTHER_ROOT = b"\x01" * 32, b"\x02" * 32


async def refuse(line: Line, owner: FileSigner) -> TransactionReceipt:
    """Send what waits, and let the chain take the right to write away in the same block, just before it."""
    hold_blocks(line.anvil)
    await line.send()
    await set_writer(line.chain, owner, allowed=False, tip_wei=50 * GWEI)  # mined first, for its tip
    mine(line.anvil)
    receipt = await line.latest_mined()
    line.anvil.call("evm_setAutomine", True)
    assert not receipt.succeeded
    return receipt


async def allow(line: Line, owner: FileSigner) -> None:
    await mined(line.chain, await set_writer(line.chain, owner, allowed=True))


async def standing(line: Line) -> Standing:
    async with line.database.reading() as tx:
        return await chains.standing(tx, line.chain.chain_id)


async def finish(line: Line, *anchors: Anchor) -> None:
    """Let time and the chain go on until all is confirmed and told."""
    for _ in range(20):
        line.clock.pass_by(10)
        await line.writer.look()
        mine(line.anvil)
        await line.reporting.report()
    assert {await line.state(anchor) for anchor in anchors} == {AnchorState.CONFIRMED}
    assert [outcome.state for outcome in line.factory.heard] == [AnchorState.CONFIRMED] * len(anchors)
    assert sorted(await line.batch_ids()) == sorted(anchor.batch_id for anchor in anchors)
    assert await anchored_twice(line) == []


async def test_the_roots_of_a_refused_transaction_wait_with_the_contract_s_reason(
    line: Line, owner: FileSigner
) -> None:
    line.confirmations = 2
    submitted = await line.submit(ROOT, OTHER_ROOT)
    receipt = await refuse(line, owner)
    what = f"transaction {receipt.tx_hash} was executed and refused by the contract: not a writer"
    await line.settling.settle()
    assert await line.state(submitted[0]) is AnchorState.SUBMITTED, "a reorganisation could still let it succeed"
    mine(line.anvil)
    await line.settling.settle()
    await line.reporting.report()
    for anchor in submitted:
        found = await line.anchors.get(anchor.batch_id)
        assert (found.state, found.error, found.inclusion) == (AnchorState.PENDING, what, None)
    assert line.factory.heard == [], "nobody hears of a failure"
    assert [row.state for row in await line.transactions()] == ["REVERTED"]
    await line.writer.look()
    found = await line.anchors.get(submitted[0].batch_id)
    assert found.error.startswith(f"{what}; the next try is at ")
    assert (await standing(line)).last_error == found.error
    await allow(line, owner)
    await finish(line, *submitted)
    assert [(row.nonce, row.state) for row in await line.transactions()] == [(0, "REVERTED"), (1, "CONFIRMED")]
    assert (await line.anchors.get(submitted[0].batch_id)).error == ""


async def test_without_the_right_to_write_a_refused_root_costs_nothing_more(line: Line, owner: FileSigner) -> None:
    (first,) = await line.submit(ROOT)
    await refuse(line, owner)
    (second,) = await line.submit(OTHER_ROOT)
    for _ in range(30):
        line.clock.pass_by(120)
        await line.writer.look()
    assert len(await line.transactions()) == 1, "the estimate tells before anything is signed"
    for anchor in (first, second):
        found = await line.anchors.get(anchor.batch_id)
        assert found.state is AnchorState.PENDING
        assert "not a writer" in found.error
    assert (await standing(line)).refusals == 1
    await allow(line, owner)
    await finish(line, first, second)
    assert [row.nonce for row in await line.transactions()] == [0, 1]


async def test_nothing_new_is_signed_as_soon_as_a_refusal_is_in_a_block(line: Line, owner: FileSigner) -> None:
    """Not only at its depth: until then a chain makes many blocks, each of which would have taken another one."""
    line.confirmations = 12
    await line.submit(ROOT)
    await refuse(line, owner)
    await allow(line, owner)
    await line.settling.settle()
    await line.submit(OTHER_ROOT)
    for _ in range(5):
        line.clock.pass_by(2)
        await line.writer.look()
    assert len(await line.transactions()) == 1
    line.clock.pass_by(6)
    await line.writer.look()
    assert len(await line.transactions()) == 2


async def test_an_older_transaction_that_gets_its_depth_does_not_end_the_pause(line: Line, owner: FileSigner) -> None:
    line.confirmations = 3
    (older,) = await line.submit(ROOT)
    await line.send()
    await line.latest_mined()
    await line.settling.settle()
    (refused,) = await line.submit(OTHER_ROOT)
    await refuse(line, owner)
    await line.settling.settle()
    mine(line.anvil)
    assert await line.settling.settle() == 1
    assert [await line.state(anchor) for anchor in (older, refused)] == [AnchorState.CONFIRMED, AnchorState.SUBMITTED]
    now = await standing(line)
    assert now.refusals == 1
    assert now.held(line.clock.now())


@pytest.fixture
async def starving(
    line: Line, anvil: Anvil, chain: EvmChain, writer: FileSigner, open_chain: OpenChain
) -> AsyncIterator[tuple[Line, MeddlingNode]]:
    """The line through a node whose estimates are too low: everything looks well, and runs out of gas in its block."""
    async with meddling_node(anvil.url) as node:
        node.lies["eth_estimateGas"] = lambda _parameters, _true: hex(35_000)
        line.chain = await open_chain(node.url, chain.contract_address, writer)
        yield line, node


async def test_a_chain_that_executes_everything_in_vain_is_tried_less_and_less_often(
    starving: tuple[Line, MeddlingNode],
) -> None:
    line, node = starving
    (anchor,) = await line.submit(ROOT)
    seconds = []
    for _ in range(130):
        line.clock.pass_by(5)
        before = len(await line.transactions())
        await line.writer.look()
        if len(await line.transactions()) > before:
            await line.latest_mined()
            await line.writer.look()
            seconds.append(line.clock.now().timestamp())
    gaps = [after - before for before, after in pairwise(seconds)]
    expected = [15, 30, 60, 120, 240]
    assert len(gaps) == len(expected), f"{len(seconds)} transactions in eleven minutes"
    assert all(wanted - 2 <= gap <= wanted + 10 for gap, wanted in zip(gaps, expected, strict=True))
    found = await line.anchors.get(anchor.batch_id)
    assert found.state is AnchorState.PENDING
    assert "was executed and ran out of gas; the next try is at " in found.error
    await Observing(database=line.database, clock=line.clock, chain=line.nodes).observe()
    assert REGISTRY.get_sample_value("voketag_anchor_refusals", {"chain": "main"}) == len(seconds)
    node.lies.clear()
    line.clock.pass_by(600)
    await finish(line, anchor)
    after = await standing(line)
    assert (after.refusals, after.held_until) == (0, None)
    assert "ran out of gas" in after.last_error, "what it was can still be read"


def test_the_pause_doubles_up_to_an_hour() -> None:
    assert [pause_after_refusals(count) for count in (1, 2, 3, 8, 9, 500)] == [
        timedelta(seconds=seconds) for seconds in (15, 30, 60, 1920, 3600, 3600)
    ]


async def test_retrying_a_waiting_anchor_tries_it_now(line: Line, owner: FileSigner) -> None:
    (anchor,) = await line.submit(ROOT)
    await refuse(line, owner)
    await allow(line, owner)
    await line.writer.look()
    line.clock.pass_by(2)
    await line.writer.look()
    assert len(await line.transactions()) == 1
    hold_blocks(line.anvil)
    retried = await line.anchors.retry(anchor.anchor_id)
    assert retried.state is AnchorState.PENDING
    await line.writer.look()
    assert len(await line.transactions()) == 2
    assert (await standing(line)).refusals == 1, "it has not been shown yet that all is well"
    with pytest.raises(WrongAnchorState):
        await line.anchors.retry(anchor.anchor_id)
    await finish(line, anchor)
    with pytest.raises(WrongAnchorState):
        await line.anchors.retry(anchor.anchor_id)
    with pytest.raises(AnchorNotFound):
        await line.anchors.retry(anchor.batch_id)


async def test_what_an_earlier_version_gave_up_can_be_retried(line: Line) -> None:
    (anchor,) = await line.submit(ROOT)
    async with line.database.transaction() as tx:
        await tx.connection.exec_driver_sql("UPDATE anchor.anchors SET state = 'FAILED', error = 'refused'")
    await line.writer.look()
    await line.reporting.report()
    assert await line.transactions() == []
    assert line.factory.heard == []
    retried = await line.anchors.retry(anchor.anchor_id)
    assert (retried.state, retried.error) == (AnchorState.PENDING, "")
    await finish(line, anchor)


async def anchor_as_owner(line: Line, owner: FileSigner) -> str:
    """The owner, made a writer, anchors the root of our newest tree."""
    (tree,) = await line.rows("SELECT root, size FROM anchor.anchor_trees ORDER BY created_at DESC LIMIT 1")
    calls = (
        encode_call("setWriter", ["address", "bool"], [OWNER.address, True]),
        encode_call("anchor", ["bytes32", "uint64"], [tree.root, tree.size]),
    )
    for data in calls:
        signed = await sign(
            owner,
            chain_id=line.chain.chain_id,
            to=line.chain.contract_address,
            data=data,
            nonce=await line.chain.mined_nonce_of(owner.address),
            gas_limit=200_000,
            fees=Fees(100 * GWEI, 3 * GWEI),
        )
        await line.chain.broadcast(signed.raw)
        assert (await mined(line.chain, signed.tx_hash)).succeeded
    return signed.tx_hash


async def test_a_refused_root_that_somebody_else_has_anchored_is_confirmed_by_that(
    line: Line, owner: FileSigner
) -> None:
    line.confirmations = 2
    (anchor,) = await line.submit(ROOT)
    refused = await refuse(line, owner)
    theirs = await anchor_as_owner(line, owner)
    await line.settling.settle()
    await line.reporting.report()
    assert line.factory.heard == [], "theirs has not its depth yet"
    assert await line.state(anchor) is AnchorState.SUBMITTED
    mine(line.anvil)
    assert await line.settling.settle() == 1
    await line.reporting.report()
    found = await line.anchors.get(anchor.batch_id)
    assert found.inclusion is not None
    assert (found.state, found.inclusion.tx_hash) == (AnchorState.CONFIRMED, theirs)
    assert [outcome.tx_hash for outcome in line.factory.heard] == [theirs]
    states = {row.tx_hash: row.state for row in await line.transactions()}
    assert states == {refused.tx_hash: "REVERTED", theirs: "CONFIRMED"}
    assert (await standing(line)).refusals == 1, "that we may write is not shown by another's transaction"


async def test_a_reorganisation_that_lets_a_refused_transaction_succeed_confirms_it(
    line: Line, owner: FileSigner
) -> None:
    line.confirmations = 3
    (anchor,) = await line.submit(ROOT)
    refused = await refuse(line, owner)
    await line.settling.settle()
    hold_blocks(line.anvil)
    line.anvil.call("anvil_reorg", 1, [])
    line.anvil.call("anvil_dropAllTransactions")
    mine(line.anvil)
    assert await line.chain.receipt(refused.tx_hash) is None
    await line.settling.settle()
    await line.sending.broadcast()
    for _ in range(3):
        mine(line.anvil)
    assert (await mined(line.chain, refused.tx_hash)).succeeded
    assert await line.settling.settle() == 1
    assert await line.state(anchor) is AnchorState.CONFIRMED
    assert len(await line.transactions()) == 1


async def test_two_workers_at_once_put_a_refused_tree_back_once(line: Line, owner: FileSigner) -> None:
    submitted = await line.submit(ROOT, OTHER_ROOT)
    await refuse(line, owner)
    first, second = line.settling, line.settling
    await first.settle()
    await second.settle()
    assert (await standing(line)).refusals == 1
    trees = await line.rows("SELECT state, nonce FROM anchor.anchor_trees")
    assert [tuple(row) for row in trees] == [("FAILED", 0)], "it keeps the nonce that it has used up"
    await allow(line, owner)
    await finish(line, *submitted)


async def test_the_contract_s_reason_is_asked_of_the_block_and_may_be_missing(
    line: Line, chain: EvmChain, owner: FileSigner
) -> None:
    root = SizedRoot(ROOT, 1)
    before = (await chain.head()).number
    await mined(chain, await set_writer(chain, owner, allowed=False))
    after = (await chain.head()).number
    assert await chain.why_refused(root, sender=WRITER.address, block_number=after) == "not a writer"
    assert await chain.why_refused(root, sender=WRITER.address, block_number=before) == ""


async def test_a_reason_that_no_node_can_give_keeps_no_root_from_its_line(
    line: Line, chain: EvmChain, owner: FileSigner, writer: FileSigner, open_chain: OpenChain
) -> None:
    async with meddling_node(line.anvil.url) as node:
        (anchor,) = await line.submit(ROOT)
        receipt = await refuse(line, owner)
        line.chain = await open_chain(node.url, chain.contract_address, writer)
        node.refuses = lambda method, parameters: method == "eth_call" and parameters[1] != "latest"
        await line.settling.settle()
        found = await line.anchors.get(anchor.batch_id)
        assert found.state is AnchorState.PENDING
        assert found.error == f"transaction {receipt.tx_hash} was executed and refused by the contract"


async def test_factory_away_for_an_hour_hears_once_of_roots_that_were_refused_meanwhile(
    line: Line, owner: FileSigner
) -> None:
    submitted = await line.submit(ROOT, OTHER_ROOT)
    line.factory.away = True
    await refuse(line, owner)
    await line.settling.settle()
    await allow(line, owner)
    for _ in range(30):
        line.clock.pass_by(120)
        await line.writer.look()
        await line.reporting.report()
        mine(line.anvil)
    assert line.factory.heard == []
    line.factory.away = False
    await finish(line, *submitted)
    heard: dict[UUID, list[AnchorState]] = {anchor.batch_id: [] for anchor in submitted}
    for outcome in line.factory.heard:
        heard[outcome.batch_id].append(outcome.state)
    assert list(heard.values()) == [[AnchorState.CONFIRMED]] * 2
