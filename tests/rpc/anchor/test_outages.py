"""A neighbour goes away in the middle: nothing fails, whoever asks is told why, and it goes on by itself."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import grpc
import pytest
from prometheus_client import REGISTRY

from deploy.local.anvil import Anvil
from deploy.local.postgres import Postgres
from services.anchor.app import open_app
from services.anchor.settings import Settings, WorkerSettings
from services.anchor.worker_app import serve
from tests.conftest import DatabaseUrl
from tests.rpc.anchor.conftest import Worker, running
from tests.rpc.anchor.patience import eventually
from tests.rpc.anchor.recording_factory import RecordingFactory
from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import TokenKeys
from tests.storage.anchor_chain.development import STRANGER, hold_blocks, mine
from voketag.anchor.v1 import anchor_pb2, anchor_pb2_grpc


class Batches:
    """Batches of a made-up partner, the chain that they go to, and the Factory that hears of them."""

    def __init__(self, anchor: Client, anvil: Anvil, factory: RecordingFactory) -> None:
        self._anchor = anchor
        self._anvil = anvil
        self._factory = factory
        self.ids: list[str] = []

    async def submit(self, count: int = 1) -> None:
        """Submit the roots of more batches."""
        for _ in range(count):
            self.ids.append(str(uuid4()))
            await self._anchor.SubmitAnchor(
                anchor_pb2.SubmitAnchorRequest(batch_id=self.ids[-1], merkle_root=f"{len(self.ids):064x}", tree_size=1)
            )

    async def latest(self) -> anchor_pb2.Anchor:
        """The newest batch's anchor."""
        answer: anchor_pb2.Anchor = await self._anchor.GetAnchor(anchor_pb2.GetAnchorRequest(batch_id=self.ids[-1]))
        return answer

    async def wait_with_reason(self, part: str) -> bool:
        """The newest is not done, and says why."""
        found = await self.latest()
        return part in found.error and found.state in (
            anchor_pb2.ANCHOR_STATE_PENDING,
            anchor_pb2.ANCHOR_STATE_SUBMITTED,
        )

    def all_reported(self) -> bool:
        """Factory has heard of every batch; until then the chain goes on."""
        if self._anvil.running:
            mine(self._anvil)
        return {outcome.batch_id for outcome in self._factory.heard} == set(self.ids)


@pytest.fixture
def batches(anchor: Client, anvil: Anvil, recording_factory: RecordingFactory) -> Batches:
    return Batches(anchor, anvil, recording_factory)


@pytest.fixture
def resting_anvil(anvil: Anvil) -> Iterator[Anvil]:
    """An anvil that may be stopped: it runs again after the test."""
    yield anvil
    anvil.start()


async def transactions(database_url: DatabaseUrl) -> int:
    connection = await asyncpg.connect(database_url())  # type: ignore[no-untyped-call]
    try:
        return int(await connection.fetchval("SELECT count(*) FROM anchor.transactions"))
    finally:
        await connection.close()


async def test_while_the_chain_is_away_roots_gather_and_say_why(
    batches: Batches,
    worker: Worker,
    resting_anvil: Anvil,
    recording_factory: RecordingFactory,
    database_url: DatabaseUrl,
) -> None:
    async with worker():
        resting_anvil.stop()
        await batches.submit(5)
        await eventually(lambda: batches.wait_with_reason("the chain's node does not answer"))
        resting_anvil.start()
        await eventually(batches.all_reported, seconds=30)
    assert all(outcome.HasField("confirmed") for outcome in recording_factory.heard)
    assert (await batches.latest()).error == ""
    assert await transactions(database_url) == 1


async def test_a_chain_that_goes_away_under_a_transaction_finds_it_again(
    batches: Batches,
    worker: Worker,
    resting_anvil: Anvil,
    recording_factory: RecordingFactory,
    database_url: DatabaseUrl,
) -> None:
    hold_blocks(resting_anvil)
    await batches.submit()

    async def submitted() -> bool:
        return (await batches.latest()).state == anchor_pb2.ANCHOR_STATE_SUBMITTED

    async with worker():
        await eventually(submitted)
        await asyncio.sleep(1.5)  # anvil writes its state once a second; the contract must be in it
        resting_anvil.kill()
        await eventually(lambda: batches.wait_with_reason("the chain's node does not answer"))
        resting_anvil.start()
        await eventually(batches.all_reported, seconds=30)
    assert await transactions(database_url) == 1


async def test_checks_of_a_chain_that_is_away_are_unavailable_not_false(
    batches: Batches, anybody: Client, worker: Worker, resting_anvil: Anvil
) -> None:
    await batches.submit()

    async def submitted() -> bool:
        return (await batches.latest()).state == anchor_pb2.ANCHOR_STATE_SUBMITTED

    async with worker():
        await eventually(submitted)
    resting_anvil.stop()
    for call in (
        anybody.VerifyBatch(anchor_pb2.VerifyBatchRequest(batch_id=batches.ids[0])),
        anybody.VerifyTransaction(anchor_pb2.VerifyTransactionRequest(tx_id="0x" + "12" * 32)),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == ("UNAVAILABLE", "CHAIN_UNAVAILABLE")
        assert refused.retry_after_seconds
    assert (await batches.latest()).inclusion.tx_hash, "what is known without the chain is still told"
    status = await anybody.GetChainStatus(anchor_pb2.GetChainStatusRequest())
    assert (status.reachable, status.submitted) == (False, 1)


async def test_factory_that_is_away_hears_of_everything_when_it_is_back(
    batches: Batches, worker: Worker, anvil: Anvil, recording_factory: RecordingFactory
) -> None:
    await recording_factory.stop()
    await batches.submit(3)

    async def confirmed() -> bool:
        mine(anvil)
        return (await batches.latest()).state == anchor_pb2.ANCHOR_STATE_CONFIRMED

    async with worker():
        await eventually(confirmed)
        assert recording_factory.heard == []
        await recording_factory.start()
        await eventually(batches.all_reported, seconds=30)


async def test_a_second_worker_stands_by_and_takes_over(
    batches: Batches, worker: Worker, worker_settings: WorkerSettings, recording_factory: RecordingFactory
) -> None:
    stop = asyncio.Event()
    first = asyncio.create_task(serve(worker_settings, stop))
    await batches.submit(2)
    await eventually(batches.all_reported)
    async with worker():
        for _ in range(3):
            await batches.submit(2)
            await eventually(batches.all_reported)
        stop.set()
        await first
        await batches.submit()
        await eventually(batches.all_reported)
    assert len(recording_factory.heard) == len(batches.ids)


async def test_a_worker_that_does_not_write_to_a_chain_shows_no_gauge_of_it(batches: Batches, worker: Worker) -> None:
    def shown() -> set[str]:
        samples = [sample for metric in REGISTRY.collect() if metric.type == "gauge" for sample in metric.samples]
        return {sample.name for sample in samples if sample.labels.get("chain") == "main"}

    async with worker():
        await batches.submit()
        await eventually(batches.all_reported)
        assert {"voketag_anchor_anchors", "voketag_anchor_waiting", "voketag_anchor_balance_wei"} <= shown()
    assert shown() == set()


async def test_the_queue_may_be_away(batches: Batches, worker_settings: WorkerSettings) -> None:
    async with running(worker_settings.model_copy(update={"queue_url": "redis://127.0.0.1:1/0"})):
        await batches.submit()
        await eventually(batches.all_reported)


async def test_a_database_that_crashes_costs_nothing_but_time(
    batches: Batches, worker: Worker, postgres: Postgres, database_url: DatabaseUrl
) -> None:
    await batches.submit(2)
    async with worker():
        postgres.kill()
        postgres.start()
        await eventually(batches.all_reported, seconds=30)
    assert await transactions(database_url) == 1


async def test_a_contract_that_is_not_there_stops_writing_and_fails_nothing(
    batches: Batches, worker_settings: WorkerSettings, database_url: DatabaseUrl
) -> None:
    await batches.submit()
    async with running(worker_settings.model_copy(update={"contract_address": STRANGER.address})):
        await eventually(lambda: batches.wait_with_reason("no AnchorRegistry of this version stands at"))
    assert await transactions(database_url) == 0


@asynccontextmanager
async def served(settings: Settings, credential: str) -> AsyncIterator[Client]:
    async with open_app(settings) as server, grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield Client(anchor_pb2_grpc.AnchorServiceStub(channel), credential)


async def test_the_server_starts_and_takes_roots_without_chain_and_queue(
    anchor_settings: Settings, token_keys: TokenKeys
) -> None:
    alone = anchor_settings.model_copy(
        update={"chain_rpc_url": "http://127.0.0.1:1", "queue_url": "redis://127.0.0.1:1/0"}
    )
    async with served(alone, token_keys.service("factory", audience="anchor")) as anchor:
        request = anchor_pb2.SubmitAnchorRequest(batch_id=str(uuid4()), merkle_root="01" * 32, tree_size=1)
        assert (await anchor.SubmitAnchor(request)).state == anchor_pb2.ANCHOR_STATE_PENDING
