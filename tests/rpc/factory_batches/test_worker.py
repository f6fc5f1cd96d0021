"""The worker as a process: it finds its work by itself, and survives what kills it or the parts around it."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.postgres import Postgres
from deploy.local.valkey import Valkey
from tests.rpc.calls import Client
from tests.rpc.factory_batches.conftest import Worker, order, reached
from voketag.factory.v1 import factory_pb2 as pb

Sql = Callable[[str], str]


@pytest.fixture
def mortal_postgres(postgres: Postgres) -> Iterator[Postgres]:
    """PostgreSQL that a test may kill; it runs again afterwards."""
    yield postgres
    postgres.start()


@pytest.fixture
def mortal_valkey(valkey: Valkey) -> Iterator[Valkey]:
    """Valkey that a test may kill; it runs again afterwards."""
    yield valkey
    valkey.start()


def issued_units(sql: Sql, batch_id: str) -> list[int]:
    query = f"SELECT count(*), count(DISTINCT unit_id) FROM factory.units WHERE batch_id = '{batch_id}'"  # noqa: S608 - our own value
    return [int(count) for count in sql(query).split("|")]


def still_there(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


async def written(factory: Client, batch_id: str, units: int) -> None:
    async with asyncio.timeout(30):
        async for batch in factory.WatchBatch(pb.WatchBatchRequest(batch_id=batch_id)):
            if batch.issued_count >= units:
                return
    raise AssertionError("the batch ended before it had its units")


async def test_a_nudge_that_was_lost_is_made_good_by_the_sweeper(
    factory: Client, product: pb.Product, worker: Worker, mortal_valkey: Valkey, sql: Sql
) -> None:
    batch = await order(factory, product, 300)
    mortal_valkey.kill()
    mortal_valkey.start()
    worker.start()
    issued = await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING)
    assert issued.issued_count == 300
    assert issued_units(sql, batch.batch_id) == [300, 300]


async def test_without_a_queue_batches_are_issued_all_the_same(
    factory: Client, product: pb.Product, worker: Worker, mortal_valkey: Valkey
) -> None:
    mortal_valkey.kill()
    worker.start()
    batch = await order(factory, product, 1)
    await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING)


async def test_a_killed_workers_batch_is_finished_by_another_and_its_processes_do_not_stay(
    factory: Client, product: pb.Product, worker: Worker, sql: Sql
) -> None:
    batch = await order(factory, product, 400_000)
    worker.start()
    await written(factory, batch.batch_id, 1)
    children = worker.children()
    worker.kill()
    stopped = await factory.GetBatch(pb.GetBatchRequest(batch_id=batch.batch_id))
    assert stopped.state == pb.BATCH_STATE_ISSUING
    assert issued_units(sql, batch.batch_id) == [stopped.issued_count] * 2
    worker.start()
    issued = await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING)
    assert issued_units(sql, batch.batch_id) == [400_000, 400_000]
    assert len(issued.merkle_root) == 64
    assert still_there(children) == []


async def test_a_worker_that_is_asked_to_stop_gives_its_batch_back_at_once(
    factory: Client, product: pb.Product, worker: Worker, sql: Sql
) -> None:
    batch = await order(factory, product, 400_000)
    worker.start()
    await written(factory, batch.batch_id, 1)
    assert worker.end(15) == 0
    assert sql("SELECT state, lease_token FROM factory.batches") == "ISSUING|"
    worker.start()
    await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING)
    assert issued_units(sql, batch.batch_id) == [400_000, 400_000]


async def test_a_batch_outlives_a_crash_of_the_database(
    factory: Client, product: pb.Product, worker: Worker, mortal_postgres: Postgres, sql: Sql
) -> None:
    batch = await order(factory, product, 400_000)
    worker.start()
    await written(factory, batch.batch_id, 1)
    mortal_postgres.kill()
    await asyncio.sleep(0.5)
    mortal_postgres.start()
    issued = await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING)
    assert (issued.issued_count, issued.error) == (400_000, "")
    assert issued_units(sql, batch.batch_id) == [400_000, 400_000]


async def test_a_batch_that_cannot_be_issued_fails_and_says_why_and_goes_on_after_the_repair(
    factory: Client, product: pb.Product, worker: Worker, sql: Sql
) -> None:
    batch = await order(factory, product, 3)
    sql("INSERT INTO factory.signing_keys (key_id, created_at) VALUES (9, now())")
    sql("UPDATE factory.batches SET key_id = 9")
    worker.start()
    failed = await reached(factory, batch.batch_id, pb.BATCH_STATE_FAILED)
    assert "no secret for signing key 9" in failed.error
    sql("UPDATE factory.batches SET key_id = 1")
    retried = await factory.RetryBatch(pb.RetryBatchRequest(batch_id=batch.batch_id))
    assert (retried.state, retried.error) == (pb.BATCH_STATE_PENDING, "")
    await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING)
    assert sql("SELECT topic FROM factory.outbox ORDER BY created_at").split() == [
        "batch.created",
        "batch.failed",
        "batch.retried",
        "batch.issued",
    ]
