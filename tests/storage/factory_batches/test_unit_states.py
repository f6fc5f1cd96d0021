"""Changing the states of many units, chunk by chunk, whatever dies in between."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from deploy.local.valkey import Valkey
from services.common.clock import SystemClock
from services.common.queue import Queue
from services.factory.hot_state import UNITS_CHANNEL, HotState
from services.factory.model.batches import Batch
from services.factory.model.serials import serial_of, serial_prefix
from services.factory.model.unit_states import CHUNK_SERIALS, CHUNK_UNITS, JobState, UnitStateJob
from services.factory.model.units import UnitState, UnitStateReason
from services.factory.operations.batches import QUEUE_NAME
from services.factory.operations.unit_states import Change, UnitStateChanger, UnitStates, in_chunks
from services.factory.storage.issuing import LeaseLost
from services.factory.unit_state_jobs import UnitStateWorker
from tests.storage.factory_batches.conftest import Shop
from tests.storage.factory_batches.test_imported import order

RECALL = Change(state=UnitState.RECALLED, reason=UnitStateReason.QUALITY, who="key test")


@pytest.fixture
async def states(shop: Shop, valkey: Valkey) -> AsyncIterator[UnitStates]:
    """Orders of changes."""
    async with aclosing(Queue(url=valkey.url(), name=QUEUE_NAME)) as queue:
        yield UnitStates(database=shop.database, clock=SystemClock(), queue=queue)


@pytest.fixture
async def changer(shop: Shop, valkey: Valkey) -> AsyncIterator[Callable[..., UnitStateChanger]]:
    """Makes workers' changers."""
    async with aclosing(HotState(url=valkey.url(1))) as hot_state:
        yield lambda lease=15.0: UnitStateChanger(
            database=shop.database, clock=SystemClock(), hot_state=hot_state, lease=timedelta(seconds=lease)
        )


async def recall(shop: Shop, states: UnitStates, batch: Batch, first: int = 0, count: int = 0) -> UnitStateJob:
    """Order the recall of a range."""
    async with shop.database.transaction() as tx:
        return await states.change_range(
            tx, shop.tenant_id, RECALL, batch_id=batch.batch_id, first_index=first, count=count
        )


def recalled(sql: Any) -> int:
    """How many units are recalled."""
    return int(sql("SELECT count(*) FROM factory.units WHERE state = 3 AND state_reason = 5"))


async def test_a_range_is_changed_and_nothing_beside_it(shop: Shop, states, changer, sql) -> None:
    batch = await shop.issued(CHUNK_UNITS + 500)
    job = await recall(shop, states, batch, 100, CHUNK_UNITS + 1)
    claim = await changer().take()
    assert claim is not None
    assert await changer().work(claim)
    done = await states.get(shop.tenant_id, job.job_id)
    assert (done.state, done.total, done.done, done.changed) == (JobState.DONE, CHUNK_UNITS + 1, *[CHUNK_UNITS + 1] * 2)
    first = batch.range.first_unit_id
    where = "SELECT min(unit_id), max(unit_id), count(*) FROM factory.units WHERE state = 3"
    assert sql(where) == f"{first + 100}|{first + 100 + CHUNK_UNITS}|{CHUNK_UNITS + 1}"
    assert sql("SELECT string_agg(action, ' ' ORDER BY audit_id) FROM factory.audit") == (
        "units.set_states units.states_set"
    )


async def test_serials_are_found_whether_brought_or_made_and_the_others_are_named(
    shop: Shop, states, changer, sql
) -> None:
    made = await shop.issued(10)
    brought = await order(shop, [b"B-%d" % number for number in range(CHUNK_SERIALS + 5)])
    await shop.issuer.issue(await shop.take(brought))
    unissued = await order(shop, [b"U-1"])
    prefix = serial_prefix(made.batch_id)
    serials = [f"B-{number}" for number in range(CHUNK_SERIALS + 5)]
    serials += [serial_of(prefix, 9), serial_of(prefix, 10), "U-1", "nowhere"]
    async with shop.database.transaction() as tx:
        job = await states.change_serials(tx, shop.tenant_id, RECALL, in_chunks(serials), len(serials))
    assert await changer().work(await changer().take())
    done = await states.get(shop.tenant_id, job.job_id)
    assert (done.state, done.total, done.done) == (JobState.DONE, len(serials), len(serials))
    assert done.changed == recalled(sql) == CHUNK_SERIALS + 6
    assert (list(done.missing), done.missing_count) == ([serial_of(prefix, 10), "U-1", "nowhere"], 3)
    assert unissued.quantity == 1
    assert sql("SELECT count(*) FROM factory.unit_state_job_serials") == "0"


async def test_a_successor_goes_on_where_a_killed_worker_stopped(shop: Shop, states, changer, sql) -> None:
    batch = await shop.issued(3 * CHUNK_UNITS)
    job = await recall(shop, states, batch)
    dying = changer(lease=3)
    claim = await dying.take()
    await dying._chunk(claim)  # and here it is killed
    assert await changer().take() is None  # the lease still holds
    await asyncio.sleep(3.1)
    assert await changer().work(await changer().take())
    done = await states.get(shop.tenant_id, job.job_id)
    assert (done.done, done.changed, recalled(sql)) == (3 * CHUNK_UNITS,) * 3
    with pytest.raises(LeaseLost):  # the dead one wakes up
        await dying._chunk(claim)


async def test_one_that_lost_its_lease_changes_nothing(shop: Shop, states, changer, sql) -> None:
    job = await recall(shop, states, await shop.issued(2 * CHUNK_UNITS))
    slow = changer(lease=0.01)
    claim = await slow.take()
    await asyncio.sleep(0.05)
    other = await changer().take()
    with pytest.raises(LeaseLost):
        await slow.work(claim)
    assert recalled(sql) == 0
    assert await changer().work(other)
    assert (await states.get(shop.tenant_id, job.job_id)).changed == 2 * CHUNK_UNITS


@pytest.mark.parametrize("sqlstate", ["53100", "57014", "40P01"])
async def test_what_the_database_cannot_do_now_is_done_later(shop: Shop, states, changer, sql, sqlstate: str) -> None:
    job = await recall(shop, states, await shop.issued(10))
    sql(
        f"""
        CREATE FUNCTION factory.fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END $$;
        CREATE TRIGGER fail BEFORE UPDATE ON factory.units FOR EACH STATEMENT EXECUTE FUNCTION factory.fail()
        """
    )
    worker = UnitStateWorker(changer=changer(), sweep_seconds=0.1)
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    await asyncio.sleep(0.5)
    waiting = await states.get(shop.tenant_id, job.job_id)
    assert (waiting.finished_at, waiting.done, recalled(sql)) == (None, 0, 0)
    sql("DROP FUNCTION factory.fail() CASCADE")
    async with asyncio.timeout(20):
        while (await states.get(shop.tenant_id, job.job_id)).state is not JobState.DONE:  # noqa: ASYNC110 - another's row
            await asyncio.sleep(0.1)
    stop.set()
    await running
    assert recalled(sql) == 10


async def test_a_job_of_many_units_gives_way_to_one_of_few(shop: Shop, states, changer) -> None:
    large, small = await shop.issued(22 * CHUNK_UNITS), await shop.issued(5)
    first = await recall(shop, states, large)
    second = await recall(shop, states, small)
    worker = changer()
    assert not await worker.work(await worker.take())  # the large one, for some chunks
    assert await worker.work(await worker.take())
    assert (await states.get(shop.tenant_id, second.job_id)).state is JobState.DONE
    assert await worker.work(await worker.take())
    done = await states.get(shop.tenant_id, first.job_id)
    assert (done.state, done.changed) == (JobState.DONE, 22 * CHUNK_UNITS)


async def test_scan_hears_of_a_chunk_in_one_message(shop: Shop, states, changer, valkey: Valkey) -> None:
    batch = await shop.issued(CHUNK_UNITS + 1)
    await recall(shop, states, batch)
    async with Redis.from_url(valkey.url(1), decode_responses=True) as redis, redis.pubsub() as listening:
        await listening.subscribe(UNITS_CHANNEL)
        assert await changer().work(await changer().take())
        heard = []
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                async for message in listening.listen():
                    if message["type"] == "message":
                        heard.append(message["data"])
    first = batch.range.first_unit_id
    assert heard == [f"{first}-{first + CHUNK_UNITS - 1}", f"{first + CHUNK_UNITS}-{first + CHUNK_UNITS}"]


async def test_a_job_survives_a_valkey_that_is_away(shop: Shop, states, sql) -> None:
    job = await recall(shop, states, await shop.issued(10))
    async with aclosing(HotState(url="redis://127.0.0.1:1/0")) as nowhere:
        worker = UnitStateChanger(
            database=shop.database, clock=SystemClock(), hot_state=nowhere, lease=timedelta(seconds=15)
        )
        assert await worker.work(await worker.take())
    assert (await states.get(shop.tenant_id, job.job_id)).changed == recalled(sql) == 10


async def test_the_same_change_again_changes_nothing(shop: Shop, states, changer, sql) -> None:
    batch = await shop.issued(10)
    for changed in (10, 0):
        job = await recall(shop, states, batch)
        assert await changer().work(await changer().take())
        assert (await states.get(shop.tenant_id, job.job_id)).changed == changed
