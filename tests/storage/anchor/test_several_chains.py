"""A root can go to several chains: a state for each, one own chain whose outcome Factory hears, and the dry chain."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local.anvil import CHAIN_ID, Anvil
from services.anchor.chain import EvmChain
from services.anchor.contract.deploy import deploy
from services.anchor.model import Anchor, AnchorState
from services.anchor.node import EvmNode, open_rpc
from services.anchor.operations.collecting import Collecting
from services.anchor.operations.rehearsing import Rehearsing
from services.anchor.signer import FileSigner
from services.common.errors import InvalidArgument, RootConflict
from tests.storage.anchor.line import Line
from tests.storage.anchor_chain.development import CEILING_WEI, WRITER, OpenChain

ROOT, OTHER_ROOT = b"\x01" * 32, b"\x02" * 32
SECOND_ID = 31338


@pytest.fixture
def second_anvil(tmp_path: Path) -> Iterator[Anvil]:
    """A chain of another id."""
    with Anvil(tmp_path, block_seconds=None) as anvil:
        anvil.call("anvil_setChainId", SECOND_ID)
        yield anvil


@pytest.fixture
def several(line: Line) -> Line:
    """The line of the first chain, in a service that also knows a second one and the dry one."""
    line.chains = {"main": CHAIN_ID, "second": SECOND_ID, "dry": 0}
    return line


async def submit(line: Line, *chains: str, root: bytes = ROOT) -> Anchor:
    return await line.anchors.submit(batch_id=uuid4(), merkle_root=root, tree_size=1, chains=chains)


@pytest.fixture
async def second(
    several: Line, second_anvil: Anvil, owner: FileSigner, writer: FileSigner, open_chain: OpenChain
) -> Line:
    """The line of the second chain, over the same tables."""
    node = EvmNode(rpc=await open_rpc(second_anvil.url), chain_id=SECOND_ID, fee_ceiling_wei=CEILING_WEI)
    made = await deploy(node=node, signer=owner, writer=WRITER.address)
    await node.aclose()
    chain = await open_chain(second_anvil.url, made.contract_address, writer, chain_id=SECOND_ID)
    line = Line(several.database, chain, second_anvil, name="second")
    line.chains = several.chains
    line.factory = several.factory
    return line


async def test_a_root_is_confirmed_on_each_chain_that_it_was_asked_for(
    several: Line, second: Line, chain: EvmChain
) -> None:
    anchor = await submit(several, "main", "second")
    only_main = await submit(several, root=OTHER_ROOT)
    assert [one.chain for one in (anchor, *anchor.others)] == ["main", "second"]

    await several.send()
    await several.latest_mined()
    assert await several.settling.settle() == 2
    found = await several.anchors.get(anchor.batch_id)
    assert [one.state for one in (found, *found.others)] == [AnchorState.CONFIRMED, AnchorState.PENDING]

    await second.send()
    await second.latest_mined()
    assert await second.settling.settle() == 1
    found = await several.anchors.get(anchor.batch_id)
    places = [one.inclusion for one in (found, *found.others)]
    assert [(place.chain_id, place.tree_size) for place in places if place] == [(CHAIN_ID, 2), (SECOND_ID, 1)]
    assert all(one.is_included() for one in (found, *found.others))
    assert (await several.anchors.get(only_main.batch_id)).others == ()
    assert await chain.mined_nonce() == await second.chain.mined_nonce() == 1, "each chain has nonces of its own"


async def test_factory_hears_of_the_batchs_own_chain_alone(several: Line, second: Line) -> None:
    own_is_second = await submit(several, "second", "main")
    for line in (several, second):
        await line.send()
        await line.latest_mined()
        await line.settling.settle()
        await line.reporting.report()
    (outcome,) = several.factory.heard
    assert (outcome.batch_id, outcome.chain_id) == (own_is_second.batch_id, SECOND_ID)


async def test_a_trouble_of_one_chain_is_told_of_its_anchors_alone(several: Line) -> None:
    anchor = await submit(several, "main", "second")
    async with several.database.transaction() as tx:
        await tx.connection.exec_driver_sql(
            f"INSERT INTO anchor.chains VALUES ({SECOND_ID}, '0x', 'the second is away', now())"  # noqa: S608
        )
    found = await several.anchors.get(anchor.batch_id)
    assert [one.error for one in (found, *found.others)] == ["", "the second is away"]


async def test_a_later_call_adds_chains_and_takes_none_away(several: Line) -> None:
    first = await submit(several)
    again = await several.anchors.submit(
        batch_id=first.batch_id, merkle_root=ROOT, tree_size=1, chains=["second", "main"]
    )
    assert [one.chain for one in (again, *again.others)] == ["main", "second"]
    unasked = await several.anchors.submit(batch_id=first.batch_id, merkle_root=ROOT, tree_size=1)
    assert unasked == again


async def test_another_root_is_refused_on_every_chain(several: Line) -> None:
    first = await submit(several)
    with pytest.raises(RootConflict):
        await several.anchors.submit(batch_id=first.batch_id, merkle_root=OTHER_ROOT, tree_size=1, chains=["second"])
    assert len(await several.rows("SELECT 1 FROM anchor.anchors")) == 1


async def test_a_chain_that_nobody_knows_is_refused(several: Line) -> None:
    with pytest.raises(InvalidArgument, match="no chain of this name; known are main, second, dry"):
        await submit(several, "main", "third")
    assert await several.rows("SELECT 1 FROM anchor.anchors") == []


async def test_the_dry_chain_confirms_without_a_chain_and_says_dry_everywhere(several: Line) -> None:
    several.chains = {"dry": 0}
    anchor = await submit(several)
    collecting = Collecting(
        database=several.database,
        clock=several.clock,
        chain="dry",
        chain_id=0,
        max_roots=10,
        max_bytes=10_000,
        aggregation_seconds=0,
    )
    rehearsing = Rehearsing(database=several.database, clock=several.clock)
    assert await collecting.collect() == 1
    assert await rehearsing.settle() == 1
    assert await rehearsing.settle() == 0
    found = await several.anchors.get(anchor.batch_id)
    assert (found.chain, found.state) == ("dry", AnchorState.CONFIRMED)
    assert found.inclusion is not None
    assert (found.inclusion.chain_id, found.inclusion.contract, found.inclusion.tx_hash) == (0, "", "dry")
    await several.reporting.report()
    (outcome,) = several.factory.heard
    assert (outcome.chain_id, outcome.tx_hash, outcome.block_number) == (0, "dry", 0)


async def test_one_chains_worker_leaves_the_others_roots_alone(several: Line) -> None:
    await submit(several, "second")
    assert await several.collecting.seconds_to_wait() is None
    assert await several.collecting.collect() == 0
