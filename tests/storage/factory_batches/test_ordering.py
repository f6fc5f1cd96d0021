"""Ordering: a batch, its numbers and its event come together or not at all."""

import asyncio

import pytest

from services.common.clock import SystemClock
from services.common.errors import (
    BatchNotFound,
    ProductArchived,
    ProductNotFound,
    SigningKeyExhausted,
    WrongBatchState,
)
from services.common.ids import uuid7
from services.factory.model.batches import BatchFilter, BatchOrder, BatchState
from services.factory.model.listing import Position
from services.factory.operations.outbox import Publisher
from tests.storage.factory_batches.conftest import Shop


async def test_an_order_is_pending_and_has_its_event(shop: Shop, sql) -> None:
    batch = await shop.order(5, lot="L-1", metadata={"line": "3"})
    assert (batch.state, batch.issued_count, batch.merkle_root) == (BatchState.PENDING, 0, None)
    assert await shop.read(batch) == batch
    assert sql("SELECT topic, subject FROM factory.outbox") == f"batch.created|{batch.batch_id}"


async def test_orders_at_once_get_numbers_apart(shop: Shop) -> None:
    batches = await asyncio.gather(*(shop.order(100) for _ in range(8)))
    assert sorted(batch.range.first_number for batch in batches) == list(range(0, 800, 100))


async def test_a_rolled_back_order_leaves_nothing_and_gives_its_numbers_back(shop: Shop, sql) -> None:
    async def order_and_fail() -> None:
        async with shop.database.transaction() as tx:
            await shop.batches.create(tx, shop.tenant_id, BatchOrder(shop.product_id, 10))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await order_and_fail()
    counts = "SELECT (SELECT count(*) FROM factory.batches), (SELECT count(*) FROM factory.outbox)"
    assert sql(counts) == "0|0"
    assert (await shop.order(1)).range.first_number == 0


async def test_an_archived_product_takes_no_batches(shop: Shop) -> None:
    async with shop.database.transaction() as tx:
        await shop.products.archive(tx, shop.tenant_id, shop.product_id)
    with pytest.raises(ProductArchived):
        await shop.order(1)


async def test_a_product_of_nobody_takes_no_batches(shop: Shop) -> None:
    with pytest.raises(ProductNotFound):
        async with shop.database.transaction() as tx:
            await shop.batches.create(tx, shop.tenant_id, BatchOrder(uuid7(), 1))


async def test_a_key_gives_its_last_numbers_and_no_more(shop: Shop, sql) -> None:
    sql(f"UPDATE factory.signing_keys SET next_number = {(1 << 40) - 3}")  # noqa: S608 - our own value
    with pytest.raises(SigningKeyExhausted):
        await shop.order(4)
    last = await shop.order(3)
    assert last.range.first_unit_id + 2 == (1 << 40) + (1 << 40) - 1


async def test_a_listing_is_newest_first_in_pages_and_filtered(shop: Shop) -> None:
    batches = [await shop.order(1) for _ in range(3)]
    cancelled = await shop.cancel(batches[1])
    first = await shop.batches.list(shop.tenant_id, BatchFilter(), limit=2)
    assert (list(first.items), first.more) == ([batches[2], cancelled], True)
    position = Position(cancelled.batch_id)
    rest = await shop.batches.list(shop.tenant_id, BatchFilter(), after=position, limit=2)
    assert (list(rest.items), rest.more) == ([batches[0]], False)
    only = BatchFilter(product_id=shop.product_id, state=BatchState.CANCELLED)
    assert (await shop.batches.list(shop.tenant_id, only, limit=5)).items == (cancelled,)
    other = BatchFilter(product_id=uuid7())
    assert (await shop.batches.list(shop.tenant_id, other, limit=5)).items == ()


async def test_another_tenant_finds_no_batch(shop: Shop) -> None:
    batch = await shop.order(1)
    with pytest.raises(BatchNotFound):
        await shop.batches.get(uuid7(), batch.batch_id)
    for change in (shop.batches.cancel, shop.batches.retry):
        with pytest.raises(BatchNotFound):
            async with shop.database.transaction() as tx:
                await change(tx, uuid7(), batch.batch_id)
    assert await shop.read(batch) == batch


@pytest.mark.parametrize("state", list(BatchState))
async def test_only_what_the_contract_allows_is_cancelled(shop: Shop, sql, state: BatchState) -> None:
    batch = await shop.order(1)
    sql(f"UPDATE factory.batches SET state = '{state.name}'")  # noqa: S608 - our own value
    if state.name in {"PENDING", "ISSUING", "FAILED", "CANCELLED"}:
        assert (await shop.cancel(batch)).state is BatchState.CANCELLED
        assert await shop.claims.take() is None
    else:
        with pytest.raises(WrongBatchState):
            await shop.cancel(batch)
        assert (await shop.read(batch)).state is state


@pytest.mark.parametrize("state", list(BatchState))
async def test_only_a_stopped_batch_is_retried(shop: Shop, sql, state: BatchState) -> None:
    batch = await shop.order(1)
    sql(f"UPDATE factory.batches SET state = '{state.name}', error = 'why'")  # noqa: S608 - our own value
    goes_on = {"FAILED": BatchState.PENDING, "ANCHOR_FAILED": BatchState.ANCHORING}.get(state.name)
    if goes_on is None:
        with pytest.raises(WrongBatchState):
            await shop.retry(batch)
    else:
        retried = await shop.retry(batch)
        assert (retried.state, retried.error) == (goes_on, "")


async def test_every_event_is_published_once(shop: Shop, sql) -> None:
    for _ in range(3):
        await shop.order(1)
    publisher = Publisher(database=shop.database, clock=SystemClock())
    assert await publisher.publish() == 3
    assert await publisher.publish() == 0
    assert sql("SELECT count(*) FROM factory.outbox WHERE published_at IS NULL") == "0"
