"""Several nodes of one chain: the next answers when one fails, and what decides rests on more than half of them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from deploy.local.anvil import Anvil
from services.anchor.chain import EvmChain
from services.anchor.chain_errors import NodesDisagree, WrongChain
from services.anchor.failover import NodesChain
from services.anchor.model import AnchorState
from services.anchor.signer import FileSigner
from services.common.clock import SystemClock
from services.common.errors import ChainUnavailable
from tests.storage.anchor.line import Line
from tests.storage.anchor.meddling import MeddlingNode, meddling_node
from tests.storage.anchor_chain.development import OpenChain, mine

ROOT = b"\x01" * 32


@pytest.fixture
async def three(anvil: Anvil) -> AsyncIterator[list[MeddlingNode]]:
    """Three nodes before one chain."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(meddling_node(anvil.url)) for _ in range(3)]


@pytest.fixture
async def nodes(
    three: list[MeddlingNode], chain: EvmChain, writer: FileSigner, open_chain: OpenChain
) -> list[EvmChain]:
    """A client of each."""
    return [await open_chain(node.url, chain.contract_address, writer) for node in three]


def together(*nodes: EvmChain) -> NodesChain:
    return NodesChain(nodes, name="main", clock=SystemClock())


async def test_the_next_node_answers_when_one_is_down_limited_or_gone(
    three: list[MeddlingNode], nodes: list[EvmChain]
) -> None:
    several = together(*nodes)
    assert (await several.head()).number == 1
    for status in (429, 503, 401):
        three[0].status = status
        assert (await several.head()).number == 1
    three[1].status = 500
    assert (await several.head()).number == 1
    three[2].status = 500
    with pytest.raises(ChainUnavailable):
        await several.head()
    three[1].status = 200
    assert (await several.head()).number == 1


async def test_a_node_that_failed_rests_and_the_others_are_not_asked_meanwhile(
    three: list[MeddlingNode], nodes: list[EvmChain]
) -> None:
    several = together(*nodes)
    three[0].status = 503
    for _ in range(5):
        await several.head()
    assert len(three[0].asked) == 1
    assert three[2].asked == []


async def test_a_node_of_another_chain_is_never_believed(three: list[MeddlingNode], nodes: list[EvmChain]) -> None:
    three[0].lies["eth_chainId"] = lambda _p, _r: "0x1"
    three[0].lies["eth_blockNumber"] = lambda _p, _r: "0xffff"
    several = together(*nodes)
    await several.check()
    assert (await several.head()).number == 1
    assert "eth_getBlockByNumber" not in three[0].asked
    for node in three:
        node.lies["eth_chainId"] = lambda _p, _r: "0x1"
    with pytest.raises(WrongChain, match="of chain 1, not 31337"):
        await together(*nodes).check()


async def test_a_node_with_another_first_block_is_never_believed(
    three: list[MeddlingNode], chain: EvmChain, writer: FileSigner, open_chain: OpenChain
) -> None:
    genesis = await chain.genesis()
    client = await open_chain(three[0].url, chain.contract_address, writer, genesis_hash=genesis)
    await client.check()

    def other(parameters: list[Any], block: Any) -> Any:
        return block | {"hash": "0x" + "12" * 32} if parameters[0] == "0x0" else block

    three[0].lies["eth_getBlockByNumber"] = other
    with pytest.raises(WrongChain, match="begins with block 0x1212"):
        await client.check()


def invented(line_receipt: dict[str, Any]) -> Any:
    """A receipt as if a transaction had been mined."""
    return lambda _parameters, _result: line_receipt


async def test_a_receipt_that_one_node_of_three_invents_confirms_nothing(
    line: Line, three: list[MeddlingNode], nodes: list[EvmChain], anvil: Anvil
) -> None:
    (anchor,) = await line.submit(ROOT)
    snapshot = anvil.call("evm_snapshot")
    await line.send()
    (transaction,) = await line.transactions()
    await line.latest_mined()
    true_then = anvil.call("eth_getTransactionReceipt", transaction.tx_hash)
    anvil.call("evm_revert", snapshot)  # the chain never had it
    mine(anvil)
    mine(anvil)
    line.chain, *line.other_nodes = nodes
    three[0].lies["eth_getTransactionReceipt"] = invented(true_then)
    with pytest.raises(NodesDisagree, match="0 of 3 nodes"):
        await line.settling.settle()
    await line.reporting.report()
    assert await line.state(anchor) is AnchorState.SUBMITTED
    assert line.factory.heard == []


async def test_one_liar_of_three_does_not_hold_back_what_two_have(
    line: Line, three: list[MeddlingNode], nodes: list[EvmChain]
) -> None:
    (anchor,) = await line.submit(ROOT)
    await line.send()
    await line.latest_mined()
    line.chain, *line.other_nodes = nodes
    three[2].lies["eth_getTransactionReceipt"] = lambda _p, _r: None
    assert await line.settling.settle() == 1
    assert await line.state(anchor) is AnchorState.CONFIRMED


async def test_of_two_nodes_that_differ_neither_is_believed_until_they_agree(
    line: Line, three: list[MeddlingNode], nodes: list[EvmChain]
) -> None:
    (anchor,) = await line.submit(ROOT)
    await line.send()
    await line.latest_mined()
    line.chain, line.other_nodes = nodes[0], nodes[1:2]
    three[1].lies["eth_getTransactionReceipt"] = lambda _p, _r: None
    await line.writer.look()
    found = await line.anchors.get(anchor.batch_id)
    assert found.state is AnchorState.SUBMITTED
    assert "1 of 2 nodes have transaction" in found.error
    three[1].lies.clear()
    await line.writer.look()
    assert await line.state(anchor) is AnchorState.CONFIRMED


async def test_a_stalled_node_has_no_say(line: Line, three: list[MeddlingNode], nodes: list[EvmChain]) -> None:
    """Its head is an hour old and it knows nothing since."""
    (anchor,) = await line.submit(ROOT)
    await line.send()
    await line.latest_mined()
    line.chain, line.other_nodes = nodes[0], nodes[1:2]
    three[1].lies["eth_getTransactionReceipt"] = lambda _p, _r: None
    three[1].lies["eth_getBlockByNumber"] = lambda _p, block: (
        block and block | {"timestamp": hex(int(block["timestamp"], 16) - 3600)}
    )
    assert await line.settling.settle() == 1
    assert await line.state(anchor) is AnchorState.CONFIRMED


@pytest.mark.parametrize(("counts", "taken"), [([7, 0, 0], 0), ([0, 7, 7], 7), ([3, 5, 4], 4)])
async def test_the_nonce_is_what_more_than_half_of_the_nodes_have_reached(
    three: list[MeddlingNode], nodes: list[EvmChain], counts: list[int], taken: int
) -> None:
    for node, count in zip(three, counts, strict=True):
        node.lies["eth_getTransactionCount"] = lambda _p, _r, count=count: hex(count)  # type: ignore[misc]
    several = together(*nodes)
    assert await several.mined_nonce() == taken
    assert await several.settled_nonce_of(several.sender, depth=1) == taken


async def test_a_chain_needs_a_node() -> None:
    with pytest.raises(ValueError, match="at least one node"):
        together()
