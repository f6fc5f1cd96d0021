"""The chain must be the one of our books; a gap in our nonces is filled; low money stops only what is new."""

import pytest

from deploy.local.anvil import Anvil
from services.anchor.chain import EvmChain
from services.anchor.chain_errors import WrongChain
from services.anchor.chain_types import Fees, SizedRoot
from services.anchor.model import AnchorState
from services.anchor.signer import FileSigner
from tests.storage.anchor.line import Line
from tests.storage.anchor.test_misbehaving_chain import foreign
from tests.storage.anchor_chain.development import GWEI, hold_blocks, mine, mined

ROOT, OTHER_ROOT = b"\x01" * 32, b"\x02" * 32


async def test_the_first_block_that_was_met_is_kept_and_another_one_stops_everything(line: Line, anvil: Anvil) -> None:
    await line.guarding.guard()
    (anchor,) = await line.submit(ROOT)
    async with line.database.transaction() as tx:
        await tx.connection.exec_driver_sql("UPDATE anchor.chains SET genesis_hash = '0x' || repeat('ab', 32)")
    line.clock.pass_by(2)
    await line.writer.look()
    found = await line.anchors.get(anchor.batch_id)
    assert found.state is AnchorState.PENDING
    assert "begins with block" in found.error
    with pytest.raises(WrongChain):
        await line.guarding.guard()
    assert await line.transactions() == []


async def test_a_chain_without_our_contract_stops_everything_and_fails_nothing(line: Line, anvil: Anvil) -> None:
    (anchor,) = await line.submit(ROOT)
    await line.send()
    await line.latest_mined()
    anvil.call("anvil_setCode", line.chain.contract_address, "0x")
    await line.writer.look()
    found = await line.anchors.get(anchor.batch_id)
    assert found.state is AnchorState.SUBMITTED
    assert "no AnchorRegistry of this version stands at" in found.error


async def test_a_low_balance_stops_what_is_new_and_sees_the_rest_through(line: Line, anvil: Anvil) -> None:
    hold_blocks(anvil)
    (under_way,) = await line.submit(ROOT)
    line.clock.pass_by(2)
    await line.writer.look()
    line.floor_wei = 10**30
    (new,) = await line.submit(OTHER_ROOT)
    line.clock.pass_by(61)
    await line.writer.look()
    assert len(await line.transactions()) == 2, "the stuck one is replaced all the same"
    mine(anvil)
    await line.latest_mined()
    await line.writer.look()
    assert await line.state(under_way) is AnchorState.CONFIRMED
    found = await line.anchors.get(new.batch_id)
    assert found.state is AnchorState.PENDING
    assert "less than the floor of" in found.error
    line.floor_wei = 1
    await line.writer.look()
    mine(anvil)
    await line.latest_mined()
    await line.writer.look()
    assert await line.state(new) is AnchorState.CONFIRMED


async def behind_a_foreign_transaction(line: Line, chain: EvmChain, anvil: Anvil, writer: FileSigner) -> str:
    """A foreign transaction takes nonce 0 and ours, signed for it, gives up; its root is confirmed with nonce 1."""
    (anchor,) = await line.submit(ROOT)
    await line.collecting.collect()
    await line.sending.sign()
    snapshot: str = anvil.call("evm_snapshot")
    await mined(chain, await foreign(chain, writer, nonce=0))
    await line.settling.settle()
    assert await line.state(anchor) is AnchorState.PENDING
    await line.send()
    await line.latest_mined()
    await line.settling.settle()
    assert await line.state(anchor) is AnchorState.CONFIRMED
    return snapshot


async def test_a_gap_below_our_transactions_is_filled_and_they_go_on(
    line: Line, chain: EvmChain, anvil: Anvil, writer: FileSigner
) -> None:
    snapshot = await behind_a_foreign_transaction(line, chain, anvil, writer)
    anvil.call("evm_revert", snapshot)  # a deep reorganisation: nobody sends the foreign transaction again
    for _ in range(4):
        mine(anvil)
    assert await chain.mined_nonce() == 0
    assert await line.rechecking.recheck() == 1
    await line.sending.broadcast()
    assert await chain.mined_nonce() == 0, "nonce 1 cannot be mined without nonce 0"
    assert await line.filling.fill()
    await line.latest_mined()
    assert not await line.filling.fill()
    assert await chain.mined_nonce() == 2
    assert await line.settling.settle() == 1
    (filler,) = await line.rows("SELECT nonce FROM anchor.fillers")
    assert filler.nonce == 0


async def test_a_filler_that_is_stuck_is_replaced(
    line: Line, chain: EvmChain, anvil: Anvil, writer: FileSigner
) -> None:
    snapshot = await behind_a_foreign_transaction(line, chain, anvil, writer)
    anvil.call("evm_revert", snapshot)
    for _ in range(4):
        mine(anvil)
    hold_blocks(anvil)
    await line.rechecking.recheck()
    await line.filling.fill()
    await line.filling.fill()
    line.clock.pass_by(61)
    await line.filling.fill()
    first, second = await line.rows("SELECT * FROM anchor.fillers ORDER BY signed_at")
    assert (first.nonce, second.nonce) == (0, 0)
    assert second.max_fee_wei >= first.max_fee_wei * 110 // 100
    mine(anvil)
    await mined(chain, second.tx_hash)


async def test_a_node_that_is_behind_is_no_gap(line: Line, chain: EvmChain, anvil: Anvil, writer: FileSigner) -> None:
    snapshot = await behind_a_foreign_transaction(line, chain, anvil, writer)
    anvil.call("evm_revert", snapshot)
    assert not await line.filling.fill()
    assert await line.rows("SELECT 1 FROM anchor.fillers") == []


async def test_without_any_transaction_of_ours_there_is_no_gap(line: Line, chain: EvmChain) -> None:
    assert not await line.filling.fill()


async def test_a_transaction_of_somebody_else_that_anchored_our_root_must_have_its_depth(
    line: Line, chain: EvmChain, anvil: Anvil
) -> None:
    """Only a writer can anchor a root; ours could have been written by hand, one block before."""
    line.confirmations = 2
    (anchor,) = await line.submit(ROOT)
    await line.collecting.collect()
    (tree,) = await line.rows("SELECT root FROM anchor.anchor_trees")
    hand = await chain.sign_anchor([SizedRoot(tree.root, 1)], nonce=0, fees=Fees(90 * GWEI, GWEI))
    await chain.broadcast(hand.raw)
    await mined(chain, hand.tx_hash)
    await line.sending.sign()
    await line.sending.broadcast()
    await line.latest_mined()
    assert await line.settling.settle() == 0
    mine(anvil)
    assert await line.settling.settle() == 1
    inclusion = (await line.anchors.get(anchor.batch_id)).inclusion
    assert inclusion is not None
    assert inclusion.tx_hash == hand.tx_hash
