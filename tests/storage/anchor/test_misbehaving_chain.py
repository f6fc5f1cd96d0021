"""Reorganisations, stuck and foreign transactions: a root is confirmed once, or it waits with a reason."""

import pytest

from deploy.local.anvil import Anvil
from services.anchor.chain import EvmChain
from services.anchor.chain_errors import FeeAboveCeiling
from services.anchor.chain_types import Fees, SizedRoot
from services.anchor.contract.deploy import deploy
from services.anchor.model import AnchorState
from services.anchor.signer import FileSigner
from services.anchor.transactions import encode_call, sign
from tests.storage.anchor.line import Line
from tests.storage.anchor_chain.development import GWEI, WRITER, OpenChain, hold_blocks, mine, mined

ROOT, OTHER_ROOT = b"\x01" * 32, b"\x02" * 32


async def test_nothing_is_confirmed_before_its_depth(line: Line, anvil: Anvil) -> None:
    line.confirmations = 3
    (anchor,) = await line.submit(ROOT)
    await line.send()
    await line.latest_mined()
    for _ in range(2):
        assert await line.settling.settle() == 0
        await line.reporting.report()
        assert await line.state(anchor) is AnchorState.SUBMITTED
        assert line.factory.heard == []
        mine(anvil)
    assert await line.settling.settle() == 1
    assert await line.state(anchor) is AnchorState.CONFIRMED


async def test_a_reorganisation_takes_the_block_back_and_the_transaction_is_sent_again(
    line: Line, chain: EvmChain, anvil: Anvil
) -> None:
    line.confirmations = 3
    (anchor,) = await line.submit(ROOT)
    await line.send()
    await line.latest_mined()
    await line.settling.settle()
    hold_blocks(anvil)
    anvil.call("anvil_reorg", 1, [])
    mine(anvil)
    mine(anvil)
    (transaction,) = await line.transactions()
    assert await chain.receipt(transaction.tx_hash) is None
    await line.settling.settle()
    await line.reporting.report()
    found = await line.anchors.get(anchor.batch_id)
    assert found.state is AnchorState.SUBMITTED
    assert found.inclusion is not None
    assert found.inclusion.block_number == 0
    assert found.error == "a reorganisation threw its transaction out of the chain, which is sent again"
    assert line.factory.heard == []
    await line.sending.broadcast()
    mine(anvil)
    receipt = await mined(chain, transaction.tx_hash)
    assert await line.settling.settle() == 0
    assert (await line.anchors.get(anchor.batch_id)).error == "", "it is in a block again, and waits for its depth"
    for _ in range(2):
        mine(anvil)
    assert await line.settling.settle() == 1
    await line.reporting.report()
    (outcome,) = line.factory.heard
    assert (outcome.tx_hash, outcome.block_number) == (transaction.tx_hash, receipt.block_number)


async def test_a_stuck_transaction_is_replaced_on_its_nonce_with_higher_fees(
    line: Line, chain: EvmChain, anvil: Anvil
) -> None:
    hold_blocks(anvil)
    (anchor,) = await line.submit(ROOT)
    await line.send()
    await line.sending.broadcast()
    assert len(await line.transactions()) == 1
    line.clock.pass_by(61)
    await line.sending.broadcast()
    first, second = await line.transactions()
    assert (first.nonce, second.nonce) == (0, 0)
    assert second.max_fee_wei >= first.max_fee_wei * 110 // 100
    assert second.priority_fee_wei >= first.priority_fee_wei * 110 // 100
    mine(anvil)
    assert (await line.latest_mined()).tx_hash == second.tx_hash
    assert await line.settling.settle() == 1
    assert [row.state for row in await line.transactions()] == ["DROPPED", "CONFIRMED"]
    found = await line.anchors.get(anchor.batch_id)
    assert found.inclusion is not None
    assert found.inclusion.tx_hash == second.tx_hash
    assert await chain.mined_nonce() == 1


async def test_the_first_attempt_counts_when_it_is_mined_after_all(line: Line, chain: EvmChain, anvil: Anvil) -> None:
    hold_blocks(anvil)
    await line.submit(ROOT)
    await line.collecting.collect()
    await line.sending.sign()
    (first,) = await line.transactions()
    line.clock.pass_by(61)
    await line.sending.broadcast()  # sends the first, finds it old, and replaces it
    _, second = await line.transactions()
    anvil.call("anvil_dropTransaction", second.tx_hash)
    await chain.broadcast(first.raw)
    mine(anvil)
    await mined(chain, first.tx_hash)
    assert await line.settling.settle() == 1
    assert [row.state for row in await line.transactions()] == ["CONFIRMED", "DROPPED"]


async def test_a_transaction_that_the_pool_forgot_is_sent_again(line: Line, anvil: Anvil) -> None:
    hold_blocks(anvil)
    (anchor,) = await line.submit(ROOT)
    await line.send()
    (transaction,) = await line.transactions()
    anvil.call("anvil_dropTransaction", transaction.tx_hash)
    await line.sending.broadcast()
    mine(anvil)
    await line.latest_mined()
    await line.settling.settle()
    assert await line.state(anchor) is AnchorState.CONFIRMED
    assert len(await line.transactions()) == 1


async def test_fees_that_became_too_low_are_raised_at_once(line: Line, anvil: Anvil) -> None:
    await line.submit(ROOT)
    await line.collecting.collect()
    await line.sending.sign()
    (first,) = await line.transactions()
    anvil.call("anvil_setNextBlockBaseFeePerGas", hex(20 * GWEI))
    mine(anvil)
    await line.sending.broadcast()
    first, second = await line.transactions()
    assert first.state == "SIGNED"
    assert second.max_fee_wei > 17 * GWEI
    await line.latest_mined()
    assert await line.settling.settle() == 1


async def test_above_the_fee_ceiling_a_root_waits_with_a_reason(line: Line, anvil: Anvil) -> None:
    (anchor,) = await line.submit(ROOT)
    line.clock.pass_by(1)
    anvil.call("anvil_setNextBlockBaseFeePerGas", hex(600 * GWEI))
    mine(anvil)
    await line.writer.look()
    found = await line.anchors.get(anchor.batch_id)
    assert found.state is AnchorState.PENDING
    assert "ceiling" in found.error
    anvil.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    mine(anvil)
    await line.writer.look()
    await line.latest_mined()
    await line.writer.look()
    found = await line.anchors.get(anchor.batch_id)
    assert (found.state, found.error) == (AnchorState.CONFIRMED, "")


async def test_a_stuck_transaction_at_the_ceiling_stays_the_best_offer(line: Line, anvil: Anvil) -> None:
    hold_blocks(anvil)
    await line.submit(ROOT)
    await line.send()
    (first,) = await line.transactions()
    line.ceiling_wei = int(first.max_fee_wei)
    line.clock.pass_by(61)
    with pytest.raises(FeeAboveCeiling):
        await line.sending.broadcast()
    assert len(await line.transactions()) == 1


async def test_without_money_a_root_waits_with_a_reason(line: Line, anvil: Anvil) -> None:
    (anchor,) = await line.submit(ROOT)
    line.clock.pass_by(1)
    anvil.call("anvil_setBalance", WRITER.address, "0x0")
    await line.writer.look()
    found = await line.anchors.get(anchor.batch_id)
    assert found.unfinished
    assert found.error == "the signing address cannot pay: top up its balance"
    anvil.call("anvil_setBalance", WRITER.address, hex(10**18))
    await line.writer.look()
    await line.latest_mined()
    await line.writer.look()
    assert await line.state(anchor) is AnchorState.CONFIRMED


async def set_writer(chain: EvmChain, owner: FileSigner, *, allowed: bool, tip_wei: int = 3 * GWEI) -> str:
    signed = await sign(
        owner,
        chain_id=chain.chain_id,
        to=chain.contract_address,
        data=encode_call("setWriter", ["address", "bool"], [WRITER.address, allowed]),
        nonce=await chain.mined_nonce_of(owner.address),
        gas_limit=100_000,
        fees=Fees(100 * GWEI, tip_wei),
    )
    await chain.broadcast(signed.raw)
    return signed.tx_hash


async def test_a_key_that_may_not_write_fails_nothing(line: Line, chain: EvmChain, owner: FileSigner) -> None:
    await mined(chain, await set_writer(chain, owner, allowed=False))
    (anchor,) = await line.submit(ROOT)
    line.clock.pass_by(1)
    await line.writer.look()
    found = await line.anchors.get(anchor.batch_id)
    assert found.state is AnchorState.PENDING
    assert "not a writer" in found.error
    assert await line.transactions() == []


async def foreign(chain: EvmChain, writer: FileSigner, *, nonce: int) -> str:
    """Send a transaction of our key that is none of ours."""
    signed = await sign(
        writer,
        chain_id=chain.chain_id,
        to=WRITER.address,
        data=b"",
        nonce=nonce,
        gas_limit=30_000,
        fees=Fees(100 * GWEI, 3 * GWEI),
    )
    await chain.broadcast(signed.raw)
    return signed.tx_hash


async def test_a_nonce_that_another_transaction_took_for_good_sends_the_roots_back_to_the_line(
    line: Line, chain: EvmChain, anvil: Anvil, writer: FileSigner
) -> None:
    line.confirmations = 2
    (anchor,) = await line.submit(ROOT)
    await line.collecting.collect()
    await line.sending.sign()
    await mined(chain, await foreign(chain, writer, nonce=0))
    await line.sending.broadcast()
    await line.settling.settle()
    assert await line.state(anchor) is AnchorState.SUBMITTED, "a reorganisation could still bring ours back"
    mine(anvil)
    await line.settling.settle()
    found = await line.anchors.get(anchor.batch_id)
    assert (found.state, found.inclusion) == (AnchorState.PENDING, None)
    assert found.error == "another transaction has used nonce 0: a new one is made"
    await line.send()
    await line.latest_mined()
    mine(anvil)
    await line.settling.settle()
    assert await line.state(anchor) is AnchorState.CONFIRMED
    assert [(row.nonce, row.state) for row in await line.transactions()] == [(0, "DROPPED"), (1, "CONFIRMED")]


async def test_a_replacement_that_our_books_lost_is_found_by_its_event(line: Line, chain: EvmChain) -> None:
    (anchor,) = await line.submit(ROOT)
    await line.collecting.collect()
    await line.sending.sign()
    (tree,) = await line.rows("SELECT root, size FROM anchor.anchor_trees")
    lost = await chain.sign_anchor([SizedRoot(tree.root, tree.size)], nonce=0, fees=Fees(90 * GWEI, 2 * GWEI))
    await chain.broadcast(lost.raw)
    await mined(chain, lost.tx_hash)
    await line.sending.broadcast()
    for _ in range(2):
        await line.settling.settle()
    found = await line.anchors.get(anchor.batch_id)
    assert found.state is AnchorState.CONFIRMED
    assert found.inclusion is not None
    assert found.inclusion.tx_hash == lost.tx_hash
    assert await chain.mined_nonce() == 1


async def test_what_comes_while_a_transaction_is_on_its_way_shares_the_next_one(line: Line, anvil: Anvil) -> None:
    hold_blocks(anvil)
    await line.submit(ROOT)
    line.clock.pass_by(2)
    await line.writer.look()
    for index in range(3):
        await line.submit(bytes([index + 10]) * 32)
        line.clock.pass_by(2)
        await line.writer.look()
    mine(anvil)
    await line.latest_mined()
    await line.writer.look()
    sizes = await line.rows("SELECT size FROM anchor.anchor_trees ORDER BY created_at")
    assert [row.size for row in sizes] == [1, 3]


async def test_roots_on_their_way_to_a_former_contract_are_left_alone(
    line: Line, chain: EvmChain, owner: FileSigner, writer: FileSigner, open_chain: OpenChain
) -> None:
    line.confirmations = 3
    (before,) = await line.submit(ROOT)
    await line.send()
    await line.latest_mined()
    await line.settling.settle()
    deployed = await deploy(node=chain, signer=owner, writer=WRITER.address)
    line.chain = await open_chain(line.anvil.url, deployed.contract_address, writer)
    (after,) = await line.submit(OTHER_ROOT)
    await line.send()
    await line.latest_mined()
    for _ in range(2):
        mine(line.anvil)
    assert await line.settling.settle() == 1
    assert await line.state(before) is AnchorState.SUBMITTED
    found = await line.anchors.get(after.batch_id)
    assert found.inclusion is not None
    assert (found.state, found.inclusion.contract) == (AnchorState.CONFIRMED, deployed.contract_address)
    line.chain = chain
    assert await line.settling.settle() == 1
    assert await line.state(before) is AnchorState.CONFIRMED
