"""PostgreSQL that refuses in the middle of issuing: what passes is waited out, what stays fails the batch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.factory.model.batches import Batch, BatchState
from services.factory.model.issuing import CHUNK_UNITS
from tests.storage.factory_batches.conftest import Shop
from tests.storage.factory_batches.test_crashes import QUANTITY, is_whole
from tests.storage.factory_batches.test_turns import worker
from tests.storage.factory_batches.units import stored_units
from voketag_kernel.codes import unit_id_of


def break_writes(sql, batch: Batch, table: str, sqlstate: str) -> None:
    """Let PostgreSQL refuse writes from the second chunk on, as it does without room or time.

    Units may come before the cursor of the chunk before has moved, tiles and the next cursor only after it.
    """
    second = unit_id_of(batch.range.key_id, batch.range.first_number + CHUNK_UNITS)
    when, refused = {
        "units": (f"INSERT ON factory.units FOR EACH ROW WHEN (NEW.unit_id >= {second})", "true"),
        "batch_tiles": (
            "INSERT ON factory.batch_tiles FOR EACH STATEMENT",
            f"(SELECT max(issued_count) FROM factory.batches) > {CHUNK_UNITS}",  # noqa: S608 - our own value
        ),
        "batches": (
            "UPDATE ON factory.batches FOR EACH STATEMENT",
            "(SELECT max(issued_count) FROM factory.batches) > 0",
        ),
    }[table]
    sql(
        f"""
        CREATE FUNCTION factory.refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            IF {refused} THEN
                RAISE EXCEPTION 'no room' USING ERRCODE = '{sqlstate}';
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER refuse BEFORE {when} EXECUTE FUNCTION factory.refuse();
        """
    )


def mend(sql) -> None:
    sql("DROP FUNCTION factory.refuse() CASCADE")


async def until(shop: Shop, batch: Batch, seen) -> Batch:
    async with asyncio.timeout(60):
        while not seen(now := await shop.read(batch)):  # noqa: ASYNC110 - the database is what changes
            await asyncio.sleep(0.02)
    return now


@asynccontextmanager
async def running(shop: Shop) -> AsyncIterator[None]:
    """A worker; at the end it has stopped, and its connections are back."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker(shop, 1).run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


@pytest.mark.parametrize(
    ("sqlstate", "table"),
    [("53100", "units"), ("53100", "batch_tiles"), ("57014", "units"), ("57014", "batch_tiles"), ("53100", "batches")],
)
async def test_a_server_without_room_or_time_delays_a_batch_and_fails_none(
    shop: Shop, sql, sqlstate: str, table: str
) -> None:
    batch = await shop.order(QUANTITY)
    break_writes(sql, batch, table, sqlstate)
    async with running(shop):
        await until(shop, batch, lambda now: now.issued_count == CHUNK_UNITS)
        await asyncio.sleep(0.5)
        refused = await shop.read(batch)
        assert (refused.state, refused.issued_count) == (BatchState.ISSUING, CHUNK_UNITS)
        before = stored_units(sql, batch)
        assert len(before.ids) == CHUNK_UNITS
        mend(sql)
        sql("UPDATE factory.batches SET due_at = now(), lease_until = now()")  # the delays of several tries, over
        await until(shop, batch, lambda now: now.state is BatchState.ANCHORING)
    assert stored_units(sql, batch).serials[:CHUNK_UNITS] == before.serials
    await is_whole(shop, sql, batch)


async def test_a_refusal_that_stays_fails_the_batch_and_a_retry_goes_on_with_the_same_units(shop: Shop, sql) -> None:
    batch = await shop.order(QUANTITY)
    break_writes(sql, batch, "units", "23514")  # a constraint: not of the kind that passes
    async with running(shop):
        await until(shop, batch, lambda now: now.issued_count == CHUNK_UNITS)
        while sql("SELECT attempts > 0 AND lease_token IS NULL FROM factory.batches") != "t":  # noqa: ASYNC110 - the database changes
            await asyncio.sleep(0.1)
        sql("UPDATE factory.batches SET attempts = 4, due_at = now()")  # three more tries and their delays, over
        failed = await until(shop, batch, lambda now: now.state is BatchState.FAILED)
        assert "internal error" in failed.error
        before = stored_units(sql, batch)
        assert len(before.ids) == CHUNK_UNITS
        mend(sql)
        await shop.retry(batch)
        await until(shop, batch, lambda now: now.state is BatchState.ANCHORING)
    assert stored_units(sql, batch).serials[:CHUNK_UNITS] == before.serials
    await is_whole(shop, sql, batch)
