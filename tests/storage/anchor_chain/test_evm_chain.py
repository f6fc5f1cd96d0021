"""What EvmChain reads and writes on a healthy chain."""

import hashlib
from pathlib import Path

import pytest

from deploy.local.anvil import CHAIN_ID, Anvil
from services.anchor.chain import EvmChain, EvmReader
from services.anchor.chain_errors import ChainRefused, ContractReverted, FeeAboveCeiling, InsufficientFunds
from services.anchor.chain_types import Broadcast, Fees, SizedRoot, TransactionReceipt
from services.anchor.contract.deploy import ZERO_ADDRESS, Deployment, deploy
from services.anchor.node import EvmNode, open_rpc
from services.anchor.signer import FileSigner
from tests.storage.anchor_chain.development import (
    CEILING_WEI,
    GWEI,
    OWNER,
    STRANGER,
    WRITER,
    OpenChain,
    hold_blocks,
    mine,
    mined,
    write_key,
)


def sized_roots(count: int) -> list[SizedRoot]:
    return [SizedRoot(hashlib.sha256(f"root {index}".encode()).digest(), index + 1) for index in range(count)]


async def anchor(chain: EvmChain, roots: list[SizedRoot]) -> TransactionReceipt:
    signed = await chain.sign_anchor(roots, nonce=await chain.pending_nonce(), fees=await chain.suggest_fees())
    assert await chain.broadcast(signed.raw) is Broadcast.ACCEPTED
    return await mined(chain, signed.tx_hash)


@pytest.mark.parametrize("count", [1, 2, 256])
async def test_anchored_roots_come_back_in_the_receipt(chain: EvmChain, count: int) -> None:
    roots = sized_roots(count)
    receipt = await anchor(chain, roots)
    assert receipt.succeeded
    assert [(event.root, event.size) for event in receipt.events] == [(item.root, item.size) for item in roots]
    head = await chain.head()
    for event in receipt.events:
        assert event.timestamp == head.timestamp
        assert event.writer == WRITER.address
        assert (event.tx_hash, event.block_number, event.block_hash) == (
            receipt.tx_hash,
            receipt.block_number,
            receipt.block_hash,
        )
    assert (head.number, head.block_hash) == (receipt.block_number, receipt.block_hash)


async def test_the_contract_tells_time_and_event_of_a_root(chain: EvmChain, anvil: Anvil) -> None:
    first, second = sized_roots(2)
    receipt = await anchor(chain, [first, second])
    mine(anvil)
    assert await chain.anchored_at(second.root) == receipt.events[1].timestamp
    assert await chain.find_anchored(second.root) == receipt.events[1]


async def test_a_reader_without_a_key_sees_the_same(chain: EvmChain, anvil: Anvil) -> None:
    receipt = await anchor(chain, sized_roots(2))
    reader = EvmReader(
        rpc=await open_rpc(anvil.url),
        chain_id=CHAIN_ID,
        fee_ceiling_wei=CEILING_WEI,
        contract_address=chain.contract_address.lower(),
    )
    await reader.check()
    assert await reader.receipt(receipt.tx_hash) == receipt
    assert await reader.find_anchored(receipt.events[0].root) == receipt.events[0]
    await reader.aclose()


async def test_a_root_that_was_never_anchored_is_none(chain: EvmChain) -> None:
    assert await chain.anchored_at(b"\x07" * 32) is None
    assert await chain.find_anchored(b"\x07" * 32) is None


async def test_anchoring_again_succeeds_without_events_and_the_first_event_is_found(chain: EvmChain) -> None:
    roots = sized_roots(2)
    first = await anchor(chain, roots)
    again = await anchor(chain, roots)
    assert again.succeeded
    assert again.events == ()
    assert await chain.find_anchored(roots[0].root) == first.events[0]


async def test_signing_is_deterministic_and_tells_nobody(chain: EvmChain) -> None:
    fees = Fees(3 * GWEI, GWEI)
    signed = [await chain.sign_anchor(sized_roots(3), nonce=0, fees=fees, gas_limit=200_000) for _ in range(2)]
    assert signed[0] == signed[1]
    assert await chain.transaction(signed[0].tx_hash) is None
    assert await chain.pending_nonce() == 0


async def test_the_hash_known_before_broadcast_is_the_chains(chain: EvmChain, anvil: Anvil) -> None:
    signed = await chain.sign_anchor(sized_roots(1), nonce=0, fees=await chain.suggest_fees())
    assert anvil.call("eth_sendRawTransaction", "0x" + signed.raw.hex()) == signed.tx_hash


async def test_a_transaction_is_seen_waiting_and_then_in_its_block(chain: EvmChain, anvil: Anvil) -> None:
    hold_blocks(anvil)
    signed = await chain.sign_anchor(sized_roots(1), nonce=0, fees=await chain.suggest_fees())
    await chain.broadcast(signed.raw)
    waiting = await chain.transaction(signed.tx_hash)
    assert waiting is not None
    assert (waiting.sender, waiting.to, waiting.nonce) == (WRITER.address, chain.contract_address, 0)
    assert waiting.block_number is None
    assert await chain.receipt(signed.tx_hash) is None
    mine(anvil)
    settled = await chain.transaction(signed.tx_hash)
    assert settled is not None
    assert settled.block_number == (await chain.head()).number


async def test_estimates_leave_a_margin_of_a_fifth(chain: EvmChain) -> None:
    roots = sized_roots(5)
    estimate = await chain.estimate_anchor(roots)
    used = (await anchor(chain, roots)).gas_used
    assert used * 1.19 < estimate < used * 1.3


async def test_fees_are_twice_the_base_fee_and_the_tip(chain: EvmChain, anvil: Anvil) -> None:
    anvil.call("anvil_setNextBlockBaseFeePerGas", hex(7 * GWEI))
    mine(anvil)
    tip = int(anvil.call("eth_maxPriorityFeePerGas"), 16)
    assert await chain.suggest_fees() == Fees(14 * GWEI + tip, tip)


async def test_fees_stop_at_the_ceiling(chain: EvmChain, anvil: Anvil) -> None:
    anvil.call("anvil_setNextBlockBaseFeePerGas", hex(300 * GWEI))
    mine(anvil)
    assert (await chain.suggest_fees()).max_wei == CEILING_WEI


async def test_a_base_fee_above_the_ceiling_is_said_so(chain: EvmChain, anvil: Anvil) -> None:
    anvil.call("anvil_setNextBlockBaseFeePerGas", hex(501 * GWEI))
    mine(anvil)
    with pytest.raises(FeeAboveCeiling, match="501000000000"):
        await chain.suggest_fees()


async def test_a_mined_revert_is_a_failed_receipt(chain: EvmChain) -> None:
    (root,) = sized_roots(1)
    await anchor(chain, [root])
    conflicting = SizedRoot(root.root, root.size + 1)
    signed = await chain.sign_anchor([conflicting], nonce=1, fees=await chain.suggest_fees(), gas_limit=100_000)
    await chain.broadcast(signed.raw)
    receipt = await mined(chain, signed.tx_hash)
    assert (receipt.succeeded, receipt.events) == (False, ())


async def test_an_estimate_tells_the_contracts_reason(
    chain: EvmChain, anvil: Anvil, open_chain: OpenChain, tmp_path: Path
) -> None:
    signer = FileSigner(write_key(tmp_path, STRANGER))
    stranger = await open_chain(anvil.url, chain.contract_address, signer)
    with pytest.raises(ContractReverted) as caught:
        await stranger.estimate_anchor(sized_roots(1))
    assert caught.value.text == "not a writer"


async def test_an_empty_purse_is_told_from_other_refusals(chain: EvmChain, anvil: Anvil) -> None:
    signed = await chain.sign_anchor(sized_roots(1), nonce=0, fees=await chain.suggest_fees())
    anvil.call("anvil_setBalance", chain.sender, "0x1")
    assert await chain.balance() == 1
    with pytest.raises(InsufficientFunds):
        await chain.broadcast(signed.raw)


async def test_only_our_contracts_events_count(
    chain: EvmChain, anvil: Anvil, open_chain: OpenChain, owner: FileSigner, writer: FileSigner
) -> None:
    """A second registry with the same byte code emits the same event; a receipt of it proves nothing for ours."""
    copy = await deploy(node=chain, signer=owner, writer=WRITER.address)
    other = await open_chain(anvil.url, copy.contract_address, writer)
    receipt = await anchor(other, sized_roots(2))
    assert len(receipt.events) == 2
    seen = await mined(chain, receipt.tx_hash)
    assert seen.succeeded
    assert seen.events == ()


async def test_blocks_above_the_head_have_no_hash(chain: EvmChain) -> None:
    head = await chain.head()
    assert await chain.block_hash(head.number) == head.block_hash
    assert await chain.block_hash(head.number + 1) is None


async def test_deploying_names_owner_and_writer_and_matches_the_artifact(
    chain: EvmChain, deployment: Deployment, anvil: Anvil
) -> None:
    await chain.check()
    assert (deployment.owner, deployment.writer) == (OWNER.address, WRITER.address)
    word = anvil.call("eth_call", {"to": deployment.contract_address, "data": "0x8da5cb5b"}, "latest")  # owner()
    assert word == "0x" + "00" * 12 + OWNER.address[2:].lower()


async def test_deploying_without_an_owner_is_refused(node: EvmNode, owner: FileSigner) -> None:
    with pytest.raises(ContractReverted, match="zero owner"):
        await deploy(node=node, signer=owner, owner=ZERO_ADDRESS)


async def test_a_contract_may_begin_without_a_writer(node: EvmNode, owner: FileSigner) -> None:
    made = await deploy(node=node, signer=owner, writer=ZERO_ADDRESS)
    assert (made.owner, made.writer) == (OWNER.address, ZERO_ADDRESS)


async def test_every_deployment_is_a_contract_of_its_own(
    node: EvmNode, deployment: Deployment, owner: FileSigner
) -> None:
    again = await deploy(node=node, signer=owner)
    assert again.contract_address != deployment.contract_address
    assert again.writer == OWNER.address


async def test_a_deployment_that_nobody_mines_names_its_transaction(
    node: EvmNode, anvil: Anvil, owner: FileSigner
) -> None:
    hold_blocks(anvil)
    with pytest.raises(ChainRefused, match=r"0x[0-9a-f]{64} was not mined within 0\.6 s"):
        await deploy(node=node, signer=owner, timeout_seconds=0.6)
