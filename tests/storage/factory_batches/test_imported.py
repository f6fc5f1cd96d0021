"""Issuing the batch of a file: the order's serials in place of made ones, and all else as for any batch."""

from collections.abc import AsyncIterator

import pytest

from services.common.clock import SystemClock
from services.common.errors import InvalidCsv
from services.factory.model.batches import Batch, BatchOrder, BatchState
from services.factory.model.issuing import CHUNK_UNITS
from services.factory.operations.imports import Imports
from services.factory.operations.retention import Retention
from services.factory.storage import imports as storage
from tests.storage.factory_batches.conftest import Shop
from tests.storage.factory_batches.units import expected_root, stored_units


async def order(shop: Shop, rows: list[bytes], header: bytes = b"serial") -> Batch:
    """Order the batch of a file with these rows."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"\n".join([header, *rows])

    imports = Imports(database=shop.database, clock=SystemClock(), batches=shop.batches)
    async with imports.checked(shop.tenant_id, shop.product_id, pieces()) as file, shop.database.transaction() as tx:
        return await imports.create(tx, shop.tenant_id, BatchOrder(shop.product_id, 0), file, who="test")


async def test_units_have_the_serials_of_the_file_in_its_order(shop: Shop, sql) -> None:
    rows = [b"S-%d" % number for number in reversed(range(1000))]
    batch = await order(shop, rows)
    await shop.issuer.issue(await shop.take(batch))
    issued = await shop.read(batch)
    units = stored_units(sql, batch)
    first = batch.range.first_unit_id
    assert units.ids == list(range(first, first + 1000))
    assert units.serials == [row.decode() for row in rows]
    assert (issued.state, issued.merkle_root) == (BatchState.ANCHORING, expected_root(issued, units.serials))


async def test_a_killed_worker_s_successor_issues_the_same_units(shop: Shop, sql, minter) -> None:
    rows = [b"K%0*d" % (1 + number % 9, number) for number in range(CHUNK_UNITS + 700)]  # of many lengths
    batch = await order(shop, rows)
    claim = await shop.take(batch)

    class Killed(Exception):
        pass

    class DyingMinter:
        parallel = 1
        made = 0

        async def mint(self, chunk_order):
            if self.made:
                raise Killed
            self.made = 1
            return await minter.mint(chunk_order)

    from services.factory.operations.issuing import Issuer

    with pytest.raises(Killed):
        await Issuer(database=shop.database, minter=DyingMinter()).issue(claim)
    await shop.claims.give_back(claim)
    assert (await shop.read(batch)).state is BatchState.ISSUING
    await shop.issuer.issue(await shop.take(batch))
    units = stored_units(sql, batch)
    assert units.serials == [row.decode() for row in rows]
    issued = await shop.read(batch)
    assert issued.merkle_root == expected_root(issued, units.serials)


async def test_further_columns_are_kept_with_their_unit(shop: Shop) -> None:
    rows = [b"A-%d,c%d,\xc3\xa9" % (number, number) for number in range(600)]
    batch = await order(shop, rows, b"serial,colour,place")
    async with shop.database.reading() as tx:
        assert await storage.columns_of(tx, batch.batch_id) == ["colour", "place"]
        found = await storage.rows_between(tx, batch.batch_id, 255, 258)
    assert found == [f"A-{number}\x1fc{number}\x1fé" for number in (255, 256, 257)]


async def test_a_cancelled_batch_gives_its_serials_back(shop: Shop, sql) -> None:
    rows = [b"B-%d,x" % number for number in range(600)]
    batch = await order(shop, rows, b"serial,colour")
    await shop.cancel(batch)
    with pytest.raises(InvalidCsv):
        await order(shop, rows, b"serial,colour")
    async with shop.database.transaction() as tx:
        assert await storage.free_some(tx, batch.batch_id, 2) == 512
    retention = Retention(database=shop.database, clock=SystemClock())  # whoever did the above was killed
    await retention.tidy_imports()
    await retention.tidy_imports()
    assert sql("SELECT count(*) FROM factory.serials") == "0"
    assert (await order(shop, rows, b"serial,colour")).quantity == 600


async def test_where_copy_is_refused_rows_are_inserted(shop: Shop, sql) -> None:
    """Row-level security, an operator's second fence, knows no COPY."""
    for table in ("units", "serials", "import_rows", "batch_tiles"):
        sql(f"ALTER TABLE factory.{table} ENABLE ROW LEVEL SECURITY")
        sql(f"CREATE POLICY all_rows ON factory.{table} USING (true)")
    rows = [b"I%0*d" % (1 + number % 9, number) for number in range(CHUNK_UNITS + 300)]  # of many lengths
    batch = await order(shop, [b'%s,"\xc3\xa9, red"' % row for row in rows], header=b"serial,colour")
    await shop.issuer.issue(await shop.take(batch))
    issued = await shop.read(batch)
    units = stored_units(sql, batch)
    assert units.serials == [row.decode() for row in rows]
    assert (issued.state, issued.merkle_root) == (BatchState.ANCHORING, expected_root(issued, units.serials))
    async with shop.database.reading() as tx:
        kept = await storage.rows_between(tx, batch.batch_id, CHUNK_UNITS, CHUNK_UNITS + 1)
    assert kept == [f"{units.serials[CHUNK_UNITS]}\x1fé, red"]
    with pytest.raises(InvalidCsv, match="of a unit that you have already"):
        await order(shop, [b"new", rows[1]])
