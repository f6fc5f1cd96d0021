"""Issuing: exactly the units that were ordered, under exactly the root that they make."""

import asyncio
import json
from dataclasses import replace

import pytest

from services.factory.minting_pool import MintingPool
from services.factory.model.batches import BatchState
from services.factory.model.issuing import chunk_orders
from services.factory.model.serials import serial_of, serial_prefix
from services.factory.storage import issuing as storage
from services.factory.storage import tiles as tile_storage
from tests.storage.factory_batches.conftest import Shop
from tests.storage.factory_batches.units import expected_root, stored_units
from voketag_kernel import tiles


@pytest.mark.parametrize("quantity", [1, 255, 256, 257, 32_768, 70_000])
async def test_a_batch_has_exactly_its_units_under_their_root(shop: Shop, sql, quantity: int) -> None:
    batch = await shop.issued(quantity)
    units = stored_units(sql, batch)
    assert units.ids == [(1 << 40) + number for number in range(quantity)]
    assert units.serials == [serial_of(serial_prefix(batch.batch_id), index) for index in range(quantity)]
    assert (batch.state, batch.issued_count) == (BatchState.ANCHORING, quantity)
    assert batch.merkle_root == expected_root(batch, units.serials)


async def test_the_stored_tiles_lead_to_the_root(shop: Shop) -> None:
    batch = await shop.issued(70_000)
    async with shop.database.reading() as tx:
        edge = await tile_storage.read(tx, batch.batch_id, tiles.tiles_of_root(batch.quantity))
    assert tiles.root(batch.quantity, edge) == batch.merkle_root


async def test_each_batch_goes_on_where_the_numbers_of_the_one_before_end(shop: Shop, sql) -> None:
    first, second = await shop.issued(300), await shop.issued(5)
    assert stored_units(sql, second).ids == [(1 << 40) + 300 + index for index in range(5)]
    assert not set(stored_units(sql, first).serials) & set(stored_units(sql, second).serials)


async def test_serials_fit_gs1_and_are_not_guessed_from_another_batch(shop: Shop) -> None:
    first, second = await shop.order(1), await shop.order(1)
    serial = serial_of(serial_prefix(first.batch_id), 999_999)
    assert len(serial) == 16
    assert set(serial) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert serial_prefix(first.batch_id) != serial_prefix(second.batch_id)


async def test_the_processes_change_to_the_fast_derivation(shop: Shop, minter: MintingPool) -> None:
    batch = await shop.order(1)
    order = next(chunk_orders(batch, bytes(32)))
    async with asyncio.timeout(120):  # where it must be compiled first
        while (await minter.mint(order)).made_by != "lanes":  # noqa: ASYNC110 - another process changes
            await asyncio.sleep(0.1)


async def test_serials_of_any_length_are_stored_as_they_are(shop: Shop, minter: MintingPool, sql) -> None:
    batch = await shop.order(300)
    claim = await shop.take(batch)
    serials = ["é" * (index % 9) + f"-{index}" for index in range(300)]
    order = next(chunk_orders(batch, bytes(32)))
    chunk = await minter.mint(replace(order, serials=[serial.encode() for serial in serials]))
    async with shop.database.transaction() as tx:
        await storage.advance(tx, claim, start=0, count=300)
        await storage.copy_units(tx, chunk.rows)
    assert stored_units(sql, batch).serials == serials


async def test_the_facts_are_frozen_when_issuing_begins(shop: Shop) -> None:
    batch = await shop.issued(1, lot="L-7")
    async with shop.database.transaction() as tx:
        await shop.products.update(tx, shop.tenant_id, shop.product_id, {"name": "Another name"})
    facts = (await shop.read(batch)).facts
    assert facts is not None
    assert json.loads(facts) == {
        "v": 1,
        "batch_id": str(batch.batch_id),
        "brand": "Acme",
        "product_id": str(shop.product_id),
        "product_name": "Azeite",
        "sku": "A-1",
        "gtin": "4006381333931",
        "lot": "L-7",
        "manufactured_at": None,
        "expires_at": None,
        "quantity": 1,
    }
    assert facts == json.dumps(json.loads(facts), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


async def test_a_batch_that_crosses_a_partitions_border_is_whole(shop: Shop, sql) -> None:
    sql(f"UPDATE factory.signing_keys SET next_number = {(1 << 24) - 100}")  # noqa: S608 - our own value
    batch = await shop.issued(300)
    units = stored_units(sql, batch)
    assert len(units.ids) == 300
    assert batch.merkle_root == expected_root(batch, units.serials)
    partitions = sql("SELECT count(DISTINCT tableoid) FROM factory.units")
    assert partitions == "2"
