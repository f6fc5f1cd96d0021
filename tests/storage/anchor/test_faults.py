"""What can happen to the chain, one thing a test, through the worker's own rounds. `test_faults_at_random` mixes them.

Reorganisations, foreign transactions on our nonce and what a pool drops are in `test_misbehaving_chain`, transactions
that are mined in vain in `test_refused_transactions`, workers that die or are two in `test_killed_between_steps`.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.anvil import Anvil
from services.anchor.chain import EvmChain
from services.anchor.chain_errors import WrongChain
from services.anchor.contract.deploy import deploy
from services.anchor.model import AnchorState
from services.anchor.operations.guarding import Guarding
from services.anchor.signer import FileSigner
from tests.storage.anchor.line import Line
from tests.storage.anchor.meddling import MeddlingNode, meddling_node
from tests.storage.anchor.truth import WatchfulFactory, anchored_twice, unanchored
from tests.storage.anchor_chain.development import GWEI, WRITER, OpenChain, empty, hold_blocks, mine

ROOT, OTHER_ROOT = b"\x01" * 32, b"\x02" * 32


@pytest.fixture
async def node_before(anvil: Anvil) -> AsyncIterator[MeddlingNode]:
    async with meddling_node(anvil.url) as node:
        yield node


@pytest.fixture
async def faulty(
    line: Line, node_before: MeddlingNode, chain: EvmChain, writer: FileSigner, open_chain: OpenChain
) -> Line:
    """The line through a node that can be told to misbehave; two confirmations."""
    line.chain = await open_chain(node_before.url, chain.contract_address, writer)
    line.confirmations = 2
    line.factory = WatchfulFactory(line.anvil, chain.contract_address, depth=2)  # type: ignore[assignment]
    return line


async def look(line: Line, *, seconds: float = 2, times: int = 1) -> None:
    """Rounds of the worker, each by a new one, time passing before each."""
    for _ in range(times):
        line.clock.pass_by(seconds)
        await line.writer.look()
        await line.reporting.report()


async def finish(line: Line) -> None:
    """Let the chain go on until all is confirmed and told."""
    for _ in range(20):
        await look(line, seconds=20)
        mine(line.anvil)
        if await line.rows("SELECT 1 FROM anchor.anchors WHERE reported_at IS NULL") == []:
            break
    assert await line.rows("SELECT state, error FROM anchor.anchors WHERE reported_at IS NULL") == []
    assert await unanchored(line, line.anvil) == []
    assert await anchored_twice(line) == []
    assert line.factory.too_early == []  # type: ignore[attr-defined]


async def test_rpc_down_for_five_minutes(faulty: Line, node_before: MeddlingNode) -> None:
    (before,) = await faulty.submit(ROOT)
    await look(faulty)
    node_before.status = 503
    (meanwhile,) = await faulty.submit(OTHER_ROOT)
    await look(faulty, seconds=15, times=20)
    for anchor in (before, meanwhile):
        found = await faulty.anchors.get(anchor.batch_id)
        assert found.unfinished
        assert "answers HTTP 503" in found.error
    node_before.status = 200
    await finish(faulty)
    assert [row.state for row in await faulty.transactions()] == ["CONFIRMED", "CONFIRMED"]


async def test_rpc_limits_the_rate(faulty: Line, node_before: MeddlingNode) -> None:
    await faulty.submit(ROOT)
    for _ in range(5):
        node_before.status = 429
        await look(faulty)
        node_before.status = 200
        await look(faulty)
    await finish(faulty)
    assert len(await faulty.transactions()) == 1


async def test_rpc_accepts_and_never_mines(faulty: Line, node_before: MeddlingNode) -> None:
    (anchor,) = await faulty.submit(ROOT)
    node_before.swallows = True
    await look(faulty, seconds=61, times=3)
    found = await faulty.anchors.get(anchor.batch_id)
    assert found.state is AnchorState.SUBMITTED
    assert found.error == "no block takes the transaction with nonce 0, which offers more than at first"
    node_before.swallows = False
    await finish(faulty)
    assert {row.nonce for row in await faulty.transactions()} == {0}
    assert (await faulty.anchors.get(anchor.batch_id)).error == ""


async def test_one_node_of_two_that_never_passes_on_costs_nothing(
    faulty: Line, node_before: MeddlingNode, chain: EvmChain
) -> None:
    node_before.swallows = True
    faulty.other_nodes = [chain]
    await faulty.submit(ROOT)
    await finish(faulty)
    assert len(await faulty.transactions()) == 1


async def test_base_fee_times_ten_under_a_transaction(faulty: Line, anvil: Anvil) -> None:
    hold_blocks(anvil)
    await faulty.submit(ROOT)
    await look(faulty)
    (first,) = await faulty.transactions()
    anvil.call("anvil_setNextBlockBaseFeePerGas", hex(10 * int(first.max_fee_wei)))
    mine(anvil)
    await look(faulty)
    _, second = await faulty.transactions()
    assert second.max_fee_wei > 10 * first.max_fee_wei
    assert (first.nonce, second.nonce) == (0, 0)
    await finish(faulty)


async def test_base_fee_above_the_ceiling_waits_and_goes_on(faulty: Line, anvil: Anvil) -> None:
    hold_blocks(anvil)
    (anchor,) = await faulty.submit(ROOT)
    await look(faulty)
    anvil.call("anvil_setNextBlockBaseFeePerGas", hex(5_000 * GWEI))
    mine(anvil)
    await look(faulty)
    found = await faulty.anchors.get(anchor.batch_id)
    assert found.state is AnchorState.SUBMITTED
    assert "the ceiling is" in found.error
    anvil.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    mine(anvil)
    await finish(faulty)


async def test_a_node_that_restarts_with_an_empty_chain_stops_everything_and_fails_nothing(
    faulty: Line, anvil: Anvil
) -> None:
    (confirmed,) = await faulty.submit(ROOT)
    await finish(faulty)
    (under_way,) = await faulty.submit(OTHER_ROOT)
    await look(faulty)
    empty(anvil)
    (new,) = await faulty.submit(b"\x03" * 32)
    sent = len(await faulty.transactions())
    await look(faulty, seconds=61, times=5)
    assert await faulty.state(confirmed) is AnchorState.CONFIRMED
    for anchor, state in ((under_way, AnchorState.SUBMITTED), (new, AnchorState.PENDING)):
        found = await faulty.anchors.get(anchor.batch_id)
        assert found.state is state
        assert "no AnchorRegistry of this version stands at" in found.error
    assert len(await faulty.transactions()) == sent, "nothing new is signed"


async def test_a_chain_started_anew_with_the_contract_at_its_address_is_noticed_and_taken_when_said(
    faulty: Line, node_before: MeddlingNode, owner: FileSigner, tmp_path: Path
) -> None:
    (anchor,) = await faulty.submit(ROOT)
    await finish(faulty)
    with Anvil(tmp_path, block_seconds=None) as anew:
        node_before.upstream = anew.url
        faulty.anvil = faulty.factory.anvil = anew  # type: ignore[attr-defined]
        made = await deploy(node=faulty.chain, signer=owner, writer=WRITER.address)
        assert made.contract_address == faulty.chain.contract_address, "the same key, the same nonce"
        with pytest.raises(WrongChain, match="begins with block"):
            await faulty.guarding.guard()
        await look(faulty, seconds=61, times=2)
        assert await faulty.state(anchor) is AnchorState.CONFIRMED, "not forgotten on a node's word"
        assert len(await faulty.transactions()) == 1
        said = Guarding(database=faulty.database, clock=faulty.clock, chain=faulty.nodes, genesis_pinned=True)
        await said.guard()
        for _ in range(4):
            mine(anew)
        await look(faulty)
        await finish(faulty)
        assert len(await faulty.transactions()) == 1, "the same transaction, on the new chain"
