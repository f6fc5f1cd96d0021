"""kill -9 of the worker's own process, again and again: whatever it was doing, the next one goes on from there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
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
from tests.storage.anchor_chain.development import mine
from voketag.anchor.v1 import anchor_pb2

Look = Callable[[str], Awaitable[int]]


@pytest.fixture
async def look(database_url: DatabaseUrl) -> AsyncIterator[Look]:
    """Counts something in the database."""
    connection = await asyncpg.connect(database_url())  # type: ignore[no-untyped-call]

    async def count(query: str) -> int:
        return int(await connection.fetchval(query))

    yield count
    await connection.close()


@pytest.fixture
def doomed(worker_settings: WorkerSettings, tmp_path: Path) -> Iterator[Process]:
    """The worker as a process of its own, to be started and killed."""
    told = worker_settings.model_dump(exclude_none=True, exclude_defaults=True)
    made = Process(
        name="anchor-worker",
        command=python.command("services.anchor.worker"),
        environment=python.environment({name.upper(): str(value) for name, value in told.items()}),
        log_file=tmp_path / "worker.log",
        ready=lambda: True,
    )
    yield made
    made.kill()


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


async def submit(anchor: Client, count: int) -> list[str]:
    ids = [str(uuid4()) for _ in range(count)]
    for batch_id in ids:
        root = batch_id.replace("-", "") * 2
        await anchor.SubmitAnchor(anchor_pb2.SubmitAnchorRequest(batch_id=batch_id, merkle_root=root, tree_size=1))
    return ids


@pytest.mark.usefixtures("blocks")
async def test_a_worker_killed_again_and_again_anchors_each_root_once(
    anchor: Client, worker: Worker, doomed: Process, recording_factory: RecordingFactory, look: Look
) -> None:
    batch_ids: list[str] = []

    async def owns() -> bool:
        return await look("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") > 0

    for milliseconds in (50, 150, 300, 600):
        batch_ids += await submit(anchor, 3)
        doomed.start()
        await eventually(owns, seconds=30)
        await asyncio.sleep(milliseconds / 1000)
        doomed.kill()
    async with worker():
        await eventually(
            lambda: {outcome.batch_id for outcome in recording_factory.heard} == set(batch_ids), seconds=60
        )
    assert all(outcome.HasField("confirmed") for outcome in recording_factory.heard)
    assert await look("SELECT count(*) FROM anchor.anchors WHERE state <> 'CONFIRMED'") == 0
    assert await look("SELECT count(*) FROM anchor.anchor_trees WHERE state <> 'CONFIRMED'") == 0
    mined = await look("SELECT count(*) FROM anchor.transactions WHERE block_number IS NOT NULL")
    assert await look("SELECT count(*) FROM anchor.anchor_trees") == mined, "a transaction a tree, and none beside"
    assert await look("SELECT max(nonce) + 1 FROM anchor.anchor_trees") == mined
