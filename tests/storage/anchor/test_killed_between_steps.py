"""A worker that dies at any moment is followed by one that finds everything in PostgreSQL and on the chain."""

import asyncio

import pytest

from services.anchor.chain import EvmChain
from services.anchor.chain_types import SizedRoot
from services.anchor.model import AnchorState
from services.common.errors import ChainUnavailable
from tests.storage.anchor.line import Line

ROOT, OTHER_ROOT = b"\x01" * 32, b"\x02" * 32


async def finish(line: Line) -> None:
    """What a successor does: every step, twice."""
    for _ in range(2):
        await line.settling.settle()
        await line.sending.broadcast()
        await line.collecting.collect()
        if await line.sending.sign():
            await line.sending.broadcast()
        await line.latest_mined()
    await line.settling.settle()
    await line.reporting.report()


async def anchored_once(line: Line, chain: EvmChain) -> bool:
    """The one tree is on the chain, by the one transaction that was ever mined for it."""
    (tree,) = await line.rows("SELECT root, tx_hash, state FROM anchor.anchor_trees")
    event = await chain.find_anchored(tree.root)
    return (
        tree.state == "CONFIRMED"
        and event is not None
        and event.tx_hash == tree.tx_hash
        and await chain.mined_nonce() == 1
    )


@pytest.mark.parametrize("steps", range(6))
async def test_a_worker_killed_after_any_step_loses_and_doubles_nothing(
    line: Line, chain: EvmChain, steps: int
) -> None:
    submitted = await line.submit(ROOT, OTHER_ROOT)
    done = [
        line.collecting.collect,
        line.sending.sign,
        line.sending.broadcast,
        line.latest_mined,
        line.settling.settle,
        line.reporting.report,
    ][:steps]
    for step in done:
        await step()
    await finish(line)
    assert await anchored_once(line, chain)
    assert [await line.state(anchor) for anchor in submitted] == [AnchorState.CONFIRMED] * 2
    assert sorted(await line.batch_ids()) == sorted(anchor.batch_id for anchor in submitted)


async def test_a_transaction_that_was_signed_and_not_stored_never_existed(line: Line, chain: EvmChain) -> None:
    await line.submit(ROOT)
    await line.collecting.collect()
    await chain.sign_anchor([SizedRoot(ROOT, 1)], nonce=0, fees=await chain.suggest_fees())
    await finish(line)
    assert await anchored_once(line, chain)


async def test_a_broadcast_that_was_not_noted_is_repeated_without_harm(line: Line, chain: EvmChain) -> None:
    await line.submit(ROOT)
    await line.collecting.collect()
    await line.sending.sign()
    (transaction,) = await line.transactions()
    await chain.broadcast(transaction.raw)
    assert transaction.state == "SIGNED"
    await finish(line)
    assert await anchored_once(line, chain)
    assert [row.tx_hash for row in await line.transactions()] == [transaction.tx_hash]


async def test_a_nonce_is_not_given_out_while_the_node_is_behind(line: Line, chain: EvmChain) -> None:
    await line.submit(ROOT)
    snapshot = line.anvil.call("evm_snapshot")
    await line.send()
    await line.latest_mined()
    await line.settling.settle()
    line.anvil.call("evm_revert", snapshot)  # as a node does that is behind, or that was emptied
    (second,) = await line.submit(OTHER_ROOT)
    await line.collecting.collect()
    with pytest.raises(ChainUnavailable, match="asks for nonce 0, and 0 is used already"):
        await line.sending.sign()
    assert await line.state(second) is AnchorState.PENDING
    assert len(await line.transactions()) == 1


async def test_two_workers_at_once_sign_one_transaction(line: Line, chain: EvmChain) -> None:
    await line.submit(ROOT)
    await asyncio.gather(line.collecting.collect(), line.collecting.collect())
    first, second = await asyncio.gather(line.sending.sign(), line.sending.sign(), return_exceptions=True)
    late = second if first is True else first
    assert True in (first, second)
    assert late is False or isinstance(late, ChainUnavailable)  # it found the tree taken, or already the nonce
    await finish(line)
    assert await anchored_once(line, chain)
    assert len(await line.transactions()) == 1
