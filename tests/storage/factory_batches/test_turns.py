"""Whose batch is next: turns between tenants, priorities within one."""

import asyncio
from datetime import timedelta

import pytest

from services.factory.jobs import BatchWorker
from services.factory.minting_pool import MintingPool
from services.factory.model.batches import Batch, BatchPriority, BatchState
from services.factory.model.issuing import CHUNK_UNITS, SLICE_CHUNKS
from services.factory.operations.anchoring import Submitter
from services.factory.operations.claims import Claims
from services.factory.operations.issuing import Issuer
from tests.storage.factory_batches.conftest import Shop
from tests.storage.factory_batches.test_crashes import FailingMinter

MILLION = 20 * CHUNK_UNITS  # as far as turns go: five slices


class NoAnchors:
    """Anchor, away."""

    async def submit(self, *_: object, **__: object) -> None:
        await asyncio.Event().wait()

    async def retry(self, *_: object) -> None:
        raise AssertionError


def worker(shop: Shop, at_once: int) -> BatchWorker:
    return BatchWorker(
        claims=Claims(database=shop.database, lease=timedelta(seconds=60)),
        issuer=shop.issuer,
        submitter=Submitter(database=shop.database, anchors=NoAnchors()),
        at_once=at_once,
        sweep_seconds=0.1,
    )


async def order_of_completion(shop: Shop, batches: list[Batch], *, at_once: int = 1) -> list[int]:
    """Run a worker until all batches are issued; return their places in the order in which they were."""
    stop = asyncio.Event()
    running = asyncio.create_task(worker(shop, at_once).run(stop))
    done: list[int] = []
    async with asyncio.timeout(120):
        while len(done) < len(batches):
            for index, batch in enumerate(batches):
                async with shop.database.reading() as tx:
                    row = await tx.connection.exec_driver_sql(
                        "SELECT state FROM factory.batches WHERE batch_id = $1", (batch.batch_id,)
                    )
                if index not in done and row.scalar_one() == BatchState.ANCHORING.name:
                    done.append(index)
            await asyncio.sleep(0.005)
    stop.set()
    await running
    return done


@pytest.mark.parametrize("at_once", [1, 2])
async def test_one_tenants_millions_do_not_starve_anothers_hundred(shop: Shop, at_once: int) -> None:
    other = await shop.neighbour()
    batches = [
        await shop.order(MILLION),
        await shop.order(MILLION, priority=BatchPriority.HIGH),
        await other.order(100, priority=BatchPriority.LOW),
    ]
    assert (await order_of_completion(shop, batches, at_once=at_once))[0] == 2


async def test_a_small_batch_waits_for_a_slice_of_anothers_large_one(shop: Shop, minter: MintingPool) -> None:
    large = await shop.order(MILLION)
    claim = await shop.take(large)
    other = await shop.neighbour()
    await other.order(100)
    counting = FailingMinter(minter, MILLION)
    await Issuer(database=shop.database, minter=counting).issue(claim)
    assert (await shop.read(large)).issued_count == SLICE_CHUNKS * CHUNK_UNITS
    following = await shop.claims.take()
    assert following is not None
    assert following.batch.tenant_id == other.tenant_id


async def test_without_anybody_waiting_a_batch_is_issued_in_one_go(shop: Shop) -> None:
    batch = await shop.issued((SLICE_CHUNKS + 1) * CHUNK_UNITS)
    assert batch.state is BatchState.ANCHORING


async def test_among_a_tenants_own_the_most_urgent_is_next_and_then_the_oldest(shop: Shop) -> None:
    low = await shop.order(1, priority=BatchPriority.LOW)
    first, second = await shop.order(1), await shop.order(1)
    high = await shop.order(1, priority=BatchPriority.HIGH)
    assert await order_of_completion(shop, [low, first, second, high]) == [3, 1, 2, 0]


async def test_a_more_urgent_batch_of_the_same_tenant_interrupts_at_a_slice(shop: Shop) -> None:
    large = await shop.order(MILLION)
    claim = await shop.take(large)
    await shop.order(1)
    urgent = await shop.order(1, priority=BatchPriority.HIGH)
    await shop.issuer.issue(claim)
    assert (await shop.read(large)).issued_count == SLICE_CHUNKS * CHUNK_UNITS
    following = await shop.claims.take()
    assert following is not None
    assert following.batch.batch_id == urgent.batch_id


async def test_tenants_take_turns_whatever_their_number_of_batches(shop: Shop) -> None:
    other = await shop.neighbour()
    mine = [await shop.order(1) for _ in range(3)]
    theirs = [await other.order(1) for _ in range(2)]
    taken = []
    while (claim := await shop.claims.take()) is not None:
        taken.append(claim.batch.batch_id)
    a, b = [batch.batch_id for batch in mine], [batch.batch_id for batch in theirs]
    assert taken in ([a[0], b[0], a[1], b[1], a[2]], [b[0], a[0], b[1], a[1], a[2]])
