"""A proof reads at most six tiles of its batch, counted by PostgreSQL itself, whatever the batch's size."""

import json
from contextlib import aclosing
from hashlib import shake_256
from typing import Any

import pytest

from services.common.database import Database
from services.common.settings import ProcessSettings
from services.factory.model.batches import Batch
from services.factory.operations.proofs import Proofs
from services.factory.storage import tiles as tile_storage
from tests.conftest import DatabaseUrl
from tests.storage.factory_batches.conftest import KEY_ID, SECRET, Shop
from voketag_kernel.codes import KeyRing, UnitCodeKey
from voketag_kernel.rfc6962 import verify_inclusion
from voketag_kernel.tiles import Tile, TileWriter

MOST_ROWS = 6
_TOUCHED = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'batch_tiles'"


async def fill(shop: Shop) -> None:
    """Give the table more than one page: a table of one page is read as a whole, whatever is asked for."""
    other = await shop.order(1)
    async with shop.database.transaction() as tx:
        await tile_storage.add(tx, other.batch_id, [Tile(0, index, bytes(32)) for index in range(20_000)])


async def stored_batch(shop: Shop, sql: Any, leaves: bytes, indexes: list[int]) -> Batch:
    """A batch over made-up leaves: its tiles and root, and of its units those that are asked for."""
    size = len(leaves) // 32
    batch = await shop.order(size)
    writer = TileWriter()
    tiles = [*writer.append(leaves), *writer.finish()]
    async with shop.database.transaction() as tx:
        for at in range(0, len(tiles), 1000):
            await tile_storage.add(tx, batch.batch_id, tiles[at : at + 1000])
    facts = json.dumps({"quantity": size})
    sql(
        f"UPDATE factory.batches SET merkle_root = '\\x{writer.root().hex()}', facts = '{facts}',"  # noqa: S608 - ours
        f" issued_count = quantity, state = 'ANCHORING' WHERE batch_id = '{batch.batch_id}'"
    )
    for index in indexes:
        sql(
            "INSERT INTO factory.units (unit_id, batch_id, serial)"  # noqa: S608 - ours
            f" VALUES ({batch.range.first_unit_id + index}, '{batch.batch_id}', 'S{index}')"
        )
    return await shop.read(batch)


@pytest.mark.parametrize("size", [1, 256, 257, 65_536, 65_537, 999_999, 1_000_000])
async def test_a_proof_reads_six_tiles_at_most(shop: Shop, sql: Any, database_url: DatabaseUrl, size: int) -> None:
    await fill(shop)
    leaves = shake_256(size.to_bytes(4)).digest(32 * size)
    indexes = sorted({0, size // 3, size - 1, max(0, size - 2), min(size - 1, 255), min(size - 1, 65_536)})
    batch = await stored_batch(shop, sql, leaves, indexes)
    settings = ProcessSettings(database_url=database_url("voketag_factory"), database_pool_size=1)
    keys = KeyRing([UnitCodeKey(KEY_ID, SECRET)])
    async with aclosing(Database.open(settings)) as database:
        proofs = Proofs(database=database, keys=keys)
        for index in indexes:
            before = int(sql(_TOUCHED))
            proof = await proofs.get(batch.range.first_unit_id + index)
            async with database.reading() as tx:  # the same connection tells what it has read
                await tx.connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
            touched = int(sql(_TOUCHED)) - before
            assert (size > 1) <= touched <= MOST_ROWS, f"unit {index} of {size}"
            verify_inclusion(
                leaves[32 * index : 32 * index + 32],
                index=index,
                size=size,
                path=proof.inclusion_path,
                expected_root=batch.merkle_root or b"",
            )
