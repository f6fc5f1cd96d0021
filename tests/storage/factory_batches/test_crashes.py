"""Issuing through faults: whatever stops a worker wherever, the batch ends with the units that it would have had."""

import asyncio
import os
import signal
from dataclasses import dataclass, field

import pytest

from services.common.errors import SigningKeyExhausted, Unavailable
from services.factory.minting_pool import MintingPool
from services.factory.model.batches import Batch, BatchState
from services.factory.model.issuing import CHUNK_UNITS, Chunk, ChunkOrder
from services.factory.operations.issuing import Issuer
from services.factory.storage.issuing import LeaseLost
from tests.storage.factory_batches.conftest import Shop
from tests.storage.factory_batches.units import expected_root, stored_units

QUANTITY = 2 * CHUNK_UNITS + 1000


class PowerCut(Exception):
    """Ends a worker in the middle."""


@dataclass
class FailingMinter:
    """The pool, until the worker's machine fails: from the chunk at `fails_from` on."""

    pool: MintingPool
    fails_from: int
    parallel: int = 1
    minted: list[int] = field(default_factory=list)

    async def mint(self, order: ChunkOrder) -> Chunk:
        if order.start >= self.fails_from:
            raise PowerCut
        self.minted.append(order.start)
        return await self.pool.mint(order)


@dataclass
class PausingMinter:
    """The pool, which stands still after the first chunk until it is told to go on."""

    pool: MintingPool
    parallel: int = 1
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def mint(self, order: ChunkOrder) -> Chunk:
        if order.start:
            await self.go_on.wait()
        return await self.pool.mint(order)


async def is_whole(shop: Shop, sql, batch: Batch) -> None:
    now = await shop.read(batch)
    units = stored_units(sql, now)
    assert (now.state, now.issued_count) == (BatchState.ANCHORING, now.quantity)
    assert units.ids == [now.range.first_unit_id + index for index in range(now.quantity)]
    assert now.merkle_root == expected_root(now, units.serials)


@pytest.mark.parametrize("fails_from", [0, CHUNK_UNITS, 2 * CHUNK_UNITS])
async def test_a_worker_that_stops_between_chunks_has_a_successor_that_goes_on(
    shop: Shop, minter: MintingPool, sql, fails_from: int
) -> None:
    batch = await shop.order(QUANTITY)
    claim = await shop.take(batch)
    with pytest.raises(PowerCut):
        await Issuer(database=shop.database, minter=FailingMinter(minter, fails_from)).issue(claim)
    stopped = await shop.read(batch)
    assert stopped.issued_count == fails_from
    assert len(stored_units(sql, batch).ids) == fails_from
    await shop.claims.give_back(claim)
    successor = FailingMinter(minter, QUANTITY)
    await Issuer(database=shop.database, minter=successor).issue(await shop.take(batch))
    assert successor.minted[0] == fails_from
    await is_whole(shop, sql, batch)


async def test_facts_do_not_change_between_two_workers(shop: Shop, minter: MintingPool, sql) -> None:
    batch = await shop.order(QUANTITY)
    claim = await shop.take(batch)
    with pytest.raises(PowerCut):
        await Issuer(database=shop.database, minter=FailingMinter(minter, CHUNK_UNITS)).issue(claim)
    facts = (await shop.read(batch)).facts
    await shop.claims.fail(claim, "the line stopped")
    async with shop.database.transaction() as tx:
        await shop.products.update(tx, shop.tenant_id, shop.product_id, {"name": "Another name"})
    before = stored_units(sql, batch).serials
    await shop.retry(batch)
    await shop.issuer.issue(await shop.take(batch))
    assert (await shop.read(batch)).facts == facts
    assert stored_units(sql, batch).serials[: len(before)] == before
    await is_whole(shop, sql, batch)


async def test_two_workers_never_hold_one_batch(shop: Shop) -> None:
    await shop.order(1)
    claims = await asyncio.gather(*(shop.claims.take() for _ in range(5)))
    assert len([claim for claim in claims if claim is not None]) == 1


async def test_a_worker_whose_lease_ran_out_writes_nothing_more(shop: Shop, sql) -> None:
    batch = await shop.order(QUANTITY)
    late = await shop.take(batch)
    sql("UPDATE factory.batches SET lease_until = now() - interval '1 second'")
    successor = await shop.take(batch)
    with pytest.raises(LeaseLost):
        await shop.issuer.issue(late)
    assert stored_units(sql, batch).ids == []
    await shop.issuer.issue(successor)
    await is_whole(shop, sql, batch)
    with pytest.raises(LeaseLost):
        await shop.claims.fail(late, "too late")
    await is_whole(shop, sql, batch)


async def first_chunk_written(shop: Shop, batch: Batch) -> None:
    while (await shop.read(batch)).issued_count == 0:  # noqa: ASYNC110 - the database is what changes
        await asyncio.sleep(0.01)


async def test_a_worker_overtaken_in_the_middle_doubles_nothing(shop: Shop, minter: MintingPool, sql) -> None:
    batch = await shop.order(QUANTITY)
    pausing = PausingMinter(minter)
    issuer = Issuer(database=shop.database, minter=pausing)
    working = asyncio.create_task(issuer.issue(await shop.take(batch)))
    await first_chunk_written(shop, batch)
    sql("UPDATE factory.batches SET lease_until = now() - interval '1 second'")
    successor = await shop.take(batch)
    pausing.go_on.set()
    with pytest.raises(LeaseLost):
        await working
    await shop.issuer.issue(successor)
    await is_whole(shop, sql, batch)


async def test_cancelling_stops_the_worker(shop: Shop, minter: MintingPool, sql) -> None:
    batch = await shop.order(QUANTITY)
    pausing = PausingMinter(minter)
    issuer = Issuer(database=shop.database, minter=pausing)
    working = asyncio.create_task(issuer.issue(await shop.take(batch)))
    await first_chunk_written(shop, batch)
    cancelled = await shop.cancel(batch)
    pausing.go_on.set()
    with pytest.raises(LeaseLost):
        await working
    assert len(stored_units(sql, batch).ids) == cancelled.issued_count == CHUNK_UNITS
    assert (await shop.read(batch)) == cancelled


async def test_a_killed_minting_process_is_replaced(shop: Shop, minter: MintingPool, sql) -> None:
    batch = await shop.order(QUANTITY)
    claim = await shop.take(batch)
    pausing = PausingMinter(minter)
    working = asyncio.create_task(Issuer(database=shop.database, minter=pausing).issue(claim))
    await first_chunk_written(shop, batch)
    for pid in minter.pids:
        os.kill(pid, signal.SIGKILL)
    pausing.go_on.set()
    with pytest.raises(Unavailable):
        await working
    await shop.claims.give_back(claim)
    await shop.issuer.issue(await shop.take(batch))
    await is_whole(shop, sql, batch)


async def test_numbers_that_are_taken_stop_the_batch_before_it_harms_other_units(shop: Shop, sql) -> None:
    first = await shop.issued(10)
    sql("UPDATE factory.signing_keys SET next_number = 5")
    second = await shop.order(10)
    with pytest.raises(SigningKeyExhausted):
        await shop.issuer.issue(await shop.take(second))
    assert stored_units(sql, second).ids == []
    await is_whole(shop, sql, first)


async def test_a_key_without_its_secret_is_named(shop: Shop, sql) -> None:
    sql("INSERT INTO factory.signing_keys (key_id, created_at) VALUES (9, now())")
    batch = await shop.order(1)
    sql("UPDATE factory.batches SET key_id = 9")
    with pytest.raises(SigningKeyExhausted, match="no secret for signing key 9"):
        await shop.issuer.issue(await shop.take(batch))
