"""kill -9 of the worker's own process, at each step and again and again: the next one goes on from there.

So it does beside one that lost its right without noticing, and comes back with an old answer.

Each step is held where it is by a part that does not answer: the signer, the node, the database or Factory. After that
each root must be on the chain once, by the chain's own count, and Factory may hear of it at its depth and not before.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from deploy.local import python
from deploy.local.anvil import Anvil
from deploy.local.process import Process
from services.anchor.settings import WorkerSettings
from tests.conftest import DatabaseUrl
from tests.rpc.anchor.conftest import Worker
from tests.rpc.anchor.patience import eventually
from tests.rpc.anchor.recording_factory import RecordingFactory
from tests.rpc.calls import Client
from tests.storage.anchor.meddling import MeddlingNode, meddling_node
from tests.storage.anchor_chain.development import WRITER, hold_blocks, mine
from voketag.anchor.v1 import anchor_pb2
from voketag.factory.v1 import factory_pb2
from voketag_kernel.receipts import ANCHORED_TOPIC, root_leaf_data
from voketag_kernel.rfc6962 import leaf_hash, verify_inclusion

DEPTH = 2
REFUSED = {"eth_signTransaction", "eth_sendRawTransaction", "eth_getTransactionReceipt"}

Look = Callable[..., Awaitable[int]]
Locked = Callable[[str], AbstractAsyncContextManager[None]]


@pytest.fixture
async def look(database_url: DatabaseUrl) -> AsyncIterator[Look]:
    """Counts something in the database."""
    connection = await asyncpg.connect(database_url())  # type: ignore[no-untyped-call]

    async def count(query: str, *values: object) -> int:
        return int(await connection.fetchval(query, *values))

    yield count
    await connection.close()


@pytest.fixture
def locked(database_url: DatabaseUrl) -> Locked:
    """Keeps everybody else from changing a table inside the block."""

    @asynccontextmanager
    async def lock(table: str) -> AsyncIterator[None]:
        connection = await asyncpg.connect(database_url())  # type: ignore[no-untyped-call]
        try:
            async with connection.transaction():
                await connection.execute(f"LOCK TABLE {table} IN SHARE MODE")
                yield
        finally:
            await connection.close()

    return lock


@pytest.fixture
async def meddling(anvil: Anvil) -> AsyncIterator[MeddlingNode]:
    """What the worker takes for its node and for its signer: before anvil, which is both."""
    async with meddling_node(anvil.url) as made:
        yield made


@pytest.fixture
def doomed(worker_settings: WorkerSettings, meddling: MeddlingNode, tmp_path: Path) -> Iterator[Process]:
    """The worker as a process of its own, to be started and killed."""
    told = worker_settings.model_dump(exclude_none=True, exclude_defaults=True, exclude={"chain_key"}) | {
        "chain_rpc_url": meddling.url,
        "remote_signer_url": meddling.url,
        "remote_signer_address": WRITER.address,
    }
    made = Process(
        name="anchor-worker",
        command=python.command("services.anchor.worker"),
        environment=python.environment({name.upper(): str(value) for name, value in told.items()}),
        log_file=tmp_path / "worker.log",
        ready=lambda: True,
    )
    yield made
    made.kill()


class Roots:
    """Roots of batches on their way, and what the chain and Factory have of them."""

    def __init__(self, anchor: Client, anvil: Anvil, contract: str, factory: RecordingFactory) -> None:
        self._anchor = anchor
        self._anvil = anvil
        self._contract = contract
        self._factory = factory
        self.batch_ids: list[str] = []
        self.too_early: list[factory_pb2.ReportAnchorOutcomeRequest] = []
        factory.looks = self._look

    async def submit(self, count: int = 3) -> None:
        """Submit the roots of more batches."""
        for _ in range(count):
            batch_id = str(uuid4())
            root = batch_id.replace("-", "") * 2
            await self._anchor.SubmitAnchor(
                anchor_pb2.SubmitAnchorRequest(batch_id=batch_id, merkle_root=root, tree_size=1)
            )
            self.batch_ids.append(batch_id)

    async def get(self) -> list[anchor_pb2.Anchor]:
        """All of them as Anchor has them."""
        return [await self._anchor.GetAnchor(anchor_pb2.GetAnchorRequest(batch_id=each)) for each in self.batch_ids]

    async def wait_and_say_why(self) -> bool:
        """None is confirmed or failed, and each says why."""
        waiting = (anchor_pb2.ANCHOR_STATE_PENDING, anchor_pb2.ANCHOR_STATE_SUBMITTED)
        return all(found.state in waiting and found.error for found in await self.get())

    def reported(self) -> bool:
        """Factory has heard of all; until then the chain goes on."""
        mine(self._anvil)
        return {outcome.batch_id for outcome in self._factory.heard} == set(self.batch_ids)

    async def are_anchored_once(self) -> None:
        """Each is under a root that the contract's events hold once, and they hold none beside those."""
        query = {"fromBlock": "0x0", "address": self._contract, "topics": [ANCHORED_TOPIC]}
        events = [log["topics"][1] for log in self._anvil.call("eth_getLogs", query)]
        named = set()
        for found in await self.get():
            assert found.state == anchor_pb2.ANCHOR_STATE_CONFIRMED
            at = found.inclusion
            leaf = leaf_hash(root_leaf_data(bytes.fromhex(found.merkle_root), found.tree_size))
            path = [bytes.fromhex(node) for node in at.inclusion_path]
            verify_inclusion(
                leaf, index=at.leaf_index, size=at.tree_size, path=path, expected_root=bytes.fromhex(at.root)
            )
            named.add("0x" + at.root)
        assert sorted(events) == sorted(named)
        assert int(self._anvil.call("eth_getTransactionCount", WRITER.address, "latest"), 16) == len(events)
        assert self.too_early == []
        assert all(outcome.HasField("confirmed") for outcome in self._factory.heard)

    def _look(self, outcome: factory_pb2.ReportAnchorOutcomeRequest) -> None:
        receipt = self._anvil.call("eth_getTransactionReceipt", outcome.confirmed.tx_hash)
        head = int(self._anvil.call("eth_blockNumber"), 16)
        if receipt is None or head - int(receipt["blockNumber"], 16) + 1 < DEPTH:
            self.too_early.append(outcome)


@pytest.fixture
def roots(anchor: Client, anvil: Anvil, worker_settings: WorkerSettings, recording_factory: RecordingFactory) -> Roots:
    assert worker_settings.confirmations == DEPTH
    return Roots(anchor, anvil, worker_settings.contract_address, recording_factory)


@pytest.mark.parametrize(
    ("method", "passed_on", "in_block"),
    [
        pytest.param("eth_signTransaction", False, False, id="before it is signed"),
        pytest.param("eth_signTransaction", True, False, id="signed, without knowing it"),
        pytest.param("eth_sendRawTransaction", False, False, id="stored, before it is broadcast"),
        pytest.param("eth_sendRawTransaction", True, False, id="broadcast into the pool, without knowing it"),
        pytest.param("eth_sendRawTransaction", True, True, id="broadcast into a block, without knowing it"),
        pytest.param("eth_getTransactionReceipt", True, True, id="in a block, without knowing it"),
    ],
)
async def test_a_worker_killed_while_it_waits_for_signer_or_node_anchors_each_root_once(
    *,
    roots: Roots,
    doomed: Process,
    meddling: MeddlingNode,
    anvil: Anvil,
    recording_factory: RecordingFactory,
    method: str,
    passed_on: bool,
    in_block: bool,
) -> None:
    if not in_block:
        hold_blocks(anvil)
    meddling.holds = {method: passed_on}
    await roots.submit()
    doomed.start()
    await asyncio.wait_for(meddling.held.wait(), 30)
    doomed.kill()
    meddling.holds = {}
    meddling.refuses = lambda asked, _parameters: asked in REFUSED
    doomed.start()
    await eventually(roots.wait_and_say_why, seconds=30)
    assert recording_factory.heard == []
    meddling.refuses = lambda _asked, _parameters: False
    await eventually(roots.reported, seconds=30)
    await roots.are_anchored_once()


async def blocked_at(look: Look, table: str) -> bool:
    return await look("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::text::regclass", table) > 0


async def owns(look: Look) -> bool:
    """A worker has the right to sign, and the one to report."""
    return await look("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") == 2


async def test_a_worker_killed_between_signing_and_storing_anchors_each_root_once(
    *, roots: Roots, doomed: Process, meddling: MeddlingNode, look: Look, locked: Locked
) -> None:
    await roots.submit()
    async with locked("anchor.transactions"):
        doomed.start()
        await eventually(lambda: blocked_at(look, "anchor.transactions"), seconds=30)
        assert "eth_signTransaction" in meddling.asked
        doomed.kill()
        doomed.start()
        await eventually(lambda: owns(look), seconds=30)
    await eventually(roots.reported, seconds=30)
    await roots.are_anchored_once()
    assert await look("SELECT count(*) FROM anchor.transactions") == 1, "what was not stored never was"


async def test_a_worker_killed_while_it_writes_down_that_roots_are_confirmed_anchors_each_once(
    *,
    roots: Roots,
    doomed: Process,
    anvil: Anvil,
    recording_factory: RecordingFactory,
    look: Look,
    locked: Locked,
) -> None:
    await roots.submit()
    doomed.start()

    async def is_mined() -> bool:
        return await look("SELECT count(*) FROM anchor.transactions WHERE state = 'MINED'") == 1

    await eventually(is_mined, seconds=30)
    async with locked("anchor.anchors"):
        mine(anvil)
        await eventually(lambda: blocked_at(look, "anchor.anchors"))
        doomed.kill()
        doomed.start()
        await eventually(lambda: owns(look), seconds=30)
        assert recording_factory.heard == []
    await eventually(roots.reported, seconds=30)
    await roots.are_anchored_once()


@pytest.mark.parametrize("noted", [False, True], ids=["before Factory hears", "before Factory answers"])
async def test_a_worker_killed_while_it_reports_reports_again(
    *, roots: Roots, doomed: Process, anvil: Anvil, recording_factory: RecordingFactory, noted: bool
) -> None:
    recording_factory.holds = noted
    await roots.submit()
    doomed.start()
    # All are told at once. One that was under way at the end would be heard after it, and counted for the next worker.
    await eventually(lambda: mine(anvil) or recording_factory.held == len(roots.batch_ids), seconds=30)
    doomed.kill()
    before = list(recording_factory.heard)
    assert len(before) == (len(roots.batch_ids) if noted else 0)
    recording_factory.holds = None
    doomed.start()
    await eventually(lambda: roots.reported() and len(recording_factory.heard) == len(before) + 3, seconds=30)
    assert all(outcome in recording_factory.heard[len(before) :] for outcome in before), "the same again"
    await roots.are_anchored_once()


@pytest.mark.parametrize(
    ("method", "passed_on"),
    [
        pytest.param("eth_signTransaction", False, id="before it is signed"),
        pytest.param("eth_signTransaction", True, id="signed, without knowing it"),
        pytest.param("eth_sendRawTransaction", False, id="stored, before it is broadcast"),
        pytest.param("eth_getTransactionReceipt", True, id="in a block, without knowing it"),
    ],
)
async def test_a_worker_that_comes_back_to_what_another_has_done_meanwhile_changes_nothing(
    *, roots: Roots, doomed: Process, worker: Worker, meddling: MeddlingNode, look: Look, method: str, passed_on: bool
) -> None:
    meddling.holds = {method: passed_on}
    await roots.submit()
    doomed.start()
    await asyncio.wait_for(meddling.held.wait(), 30)
    await look("SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    async with worker():
        await eventually(roots.reported, seconds=8)  # less than any question of the other one may take
        meddling.holds = {}
        asked = len(meddling.asked)
        meddling.release.set()
        await eventually(lambda: len(meddling.asked) > asked)
    await roots.submit()
    await eventually(roots.reported, seconds=30)
    await roots.are_anchored_once()
    assert await look("SELECT count(*) FROM anchor.transactions WHERE state <> 'CONFIRMED'") == 0
    assert await look("SELECT count(*) FROM anchor.anchor_trees WHERE state <> 'CONFIRMED'") == 0


@pytest.fixture
async def blocks(anvil: Anvil) -> AsyncIterator[None]:
    """Let the chain go on while others work."""

    async def go_on() -> None:
        while True:
            mine(anvil)
            await asyncio.sleep(0.2)

    task = asyncio.create_task(go_on())
    yield
    task.cancel()


@pytest.mark.usefixtures("blocks")
async def test_a_worker_killed_again_and_again_anchors_each_root_once(
    roots: Roots, doomed: Process, look: Look
) -> None:
    for milliseconds in (50, 150, 300, 600):
        await roots.submit()
        doomed.start()
        await eventually(lambda: owns(look), seconds=30)
        await asyncio.sleep(milliseconds / 1000)
        doomed.kill()
    doomed.start()
    await eventually(roots.reported, seconds=60)
    await roots.are_anchored_once()
