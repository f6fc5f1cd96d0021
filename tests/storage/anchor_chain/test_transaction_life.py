"""One nonce, from broadcast to receipt: repeated, replaced, stuck, taken by another, reorganised away."""

import pytest

from deploy.local.anvil import Anvil
from services.anchor.chain import EvmChain
from services.anchor.chain_errors import FeeAboveCeiling
from services.anchor.chain_types import Broadcast, Fees, SignedTransaction, SizedRoot
from services.anchor.transactions import replacement_fees
from tests.storage.anchor_chain.development import CEILING_WEI, GWEI, hold_blocks, mine, mined

ROOT, OTHER_ROOT = SizedRoot(b"\x11" * 32, 3), SizedRoot(b"\x22" * 32, 5)


async def signed_anchor(
    chain: EvmChain, root: SizedRoot = ROOT, *, nonce: int = 0, fees: Fees | None = None
) -> SignedTransaction:
    return await chain.sign_anchor([root], nonce=nonce, fees=fees or await chain.suggest_fees())


async def test_broadcasting_twice_before_it_is_mined_is_harmless(chain: EvmChain, anvil: Anvil) -> None:
    hold_blocks(anvil)
    signed = await signed_anchor(chain)
    assert await chain.broadcast(signed.raw) is Broadcast.ACCEPTED
    assert await chain.broadcast(signed.raw) is Broadcast.ALREADY_KNOWN
    mine(anvil)
    assert len((await mined(chain, signed.tx_hash)).events) == 1
    assert await chain.mined_nonce() == 1


async def test_broadcasting_after_it_was_mined_says_so(chain: EvmChain) -> None:
    signed = await signed_anchor(chain)
    assert await chain.broadcast(signed.raw) is Broadcast.ACCEPTED
    await mined(chain, signed.tx_hash)
    assert await chain.broadcast(signed.raw) is Broadcast.ALREADY_MINED


async def test_a_nonce_that_another_transaction_used_is_told_apart(chain: EvmChain) -> None:
    ours, others = await signed_anchor(chain), await signed_anchor(chain, OTHER_ROOT)
    assert await chain.broadcast(others.raw) is Broadcast.ACCEPTED
    await mined(chain, others.tx_hash)
    assert await chain.broadcast(ours.raw) is Broadcast.NONCE_USED
    assert await chain.receipt(ours.tx_hash) is None
    assert await chain.anchored_at(ROOT.root) is None


async def test_nonces_tell_waiting_from_mined(chain: EvmChain, anvil: Anvil) -> None:
    hold_blocks(anvil)
    await chain.broadcast((await signed_anchor(chain)).raw)
    await chain.broadcast((await signed_anchor(chain, OTHER_ROOT, nonce=1)).raw)
    assert (await chain.mined_nonce(), await chain.pending_nonce()) == (0, 2)
    mine(anvil)
    assert (await chain.mined_nonce(), await chain.pending_nonce()) == (2, 2)


async def test_a_higher_fee_replaces_a_stuck_transaction_on_its_nonce(chain: EvmChain, anvil: Anvil) -> None:
    hold_blocks(anvil)
    stuck = await signed_anchor(chain)
    await chain.broadcast(stuck.raw)
    fees = replacement_fees(stuck=stuck.fees, fresh=await chain.suggest_fees(), ceiling_wei=CEILING_WEI)
    replacement = await signed_anchor(chain, fees=fees)
    assert await chain.broadcast(replacement.raw) is Broadcast.ACCEPTED
    mine(anvil)
    assert (await mined(chain, replacement.tx_hash)).events[0].root == ROOT.root
    assert await chain.receipt(stuck.tx_hash) is None
    assert await chain.broadcast(stuck.raw) is Broadcast.NONCE_USED


async def test_a_replacement_without_a_bump_is_underpriced(chain: EvmChain, anvil: Anvil) -> None:
    hold_blocks(anvil)
    stuck = await signed_anchor(chain)
    await chain.broadcast(stuck.raw)
    rival = await signed_anchor(chain, OTHER_ROOT, fees=stuck.fees)
    assert await chain.broadcast(rival.raw) is Broadcast.UNDERPRICED
    mine(anvil)
    assert (await mined(chain, stuck.tx_hash)).succeeded


async def test_fees_below_the_base_fee_are_underpriced(chain: EvmChain, anvil: Anvil) -> None:
    anvil.call("anvil_setNextBlockBaseFeePerGas", hex(10 * GWEI))
    mine(anvil)
    signed = await signed_anchor(chain, fees=Fees(GWEI, GWEI))
    assert await chain.broadcast(signed.raw) is Broadcast.UNDERPRICED


async def test_a_replacement_above_the_ceiling_is_not_made(chain: EvmChain) -> None:
    stuck = Fees(CEILING_WEI, GWEI)
    with pytest.raises(FeeAboveCeiling):
        replacement_fees(stuck=stuck, fresh=await chain.suggest_fees(), ceiling_wei=CEILING_WEI)


async def test_a_transaction_behind_a_nonce_gap_waits_until_the_gap_is_filled(chain: EvmChain) -> None:
    ahead = await signed_anchor(chain, OTHER_ROOT, nonce=1)
    assert await chain.broadcast(ahead.raw) is Broadcast.ACCEPTED
    assert await chain.receipt(ahead.tx_hash) is None
    await chain.broadcast((await signed_anchor(chain)).raw)
    assert (await mined(chain, ahead.tx_hash)).succeeded


async def test_a_reorganisation_takes_receipt_and_root_away_and_changes_the_block_hash(
    chain: EvmChain, anvil: Anvil
) -> None:
    before = await chain.head()
    signed = await signed_anchor(chain)
    await chain.broadcast(signed.raw)
    receipt = await mined(chain, signed.tx_hash)
    anvil.call("anvil_reorg", 1, [])
    assert await chain.receipt(signed.tx_hash) is None
    assert await chain.anchored_at(ROOT.root) is None
    assert await chain.find_anchored(ROOT.root) is None
    assert await chain.block_hash(receipt.block_number) != receipt.block_hash
    assert await chain.block_hash(before.number) == before.block_hash
    # The stored transaction can simply go out again.
    assert await chain.broadcast(signed.raw) in (Broadcast.ACCEPTED, Broadcast.ALREADY_KNOWN)
    mine(anvil)
    assert (await mined(chain, signed.tx_hash)).succeeded


async def test_two_transactions_for_one_root_anchor_it_once(chain: EvmChain, anvil: Anvil) -> None:
    """A worker that lost its memory after signing signs again under the next nonce; both are mined."""
    hold_blocks(anvil)
    first, second = await signed_anchor(chain), await signed_anchor(chain, nonce=1)
    await chain.broadcast(first.raw)
    await chain.broadcast(second.raw)
    mine(anvil)
    receipts = [await mined(chain, signed.tx_hash) for signed in (first, second)]
    assert [receipt.succeeded for receipt in receipts] == [True, True]
    assert [len(receipt.events) for receipt in receipts] == [1, 0]
