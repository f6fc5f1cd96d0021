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


def break_writes(sql, table: str, sqlstate: str, *, when: str = "INSERT") -> None:
    """Let PostgreSQL refuse writes from the second chunk on, as it does without room or time.

    A chunk's transaction moves the cursor first, so what comes after sees the new one.
    """
    beyond = 0 if table == "batches" else CHUNK_UNITS
    sql(
        f"""
        CREATE FUNCTION factory.refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            IF (SELECT max(issued_count) FROM factory.batches) > {beyond} THEN
                RAISE EXCEPTION 'no room' USING ERRCODE = '{sqlstate}';
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER refuse BEFORE {when} ON factory.{table} FOR EACH STATEMENT EXECUTE FUNCTION factory.refuse();
        """  # noqa: S608 - our own values
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
    break_writes(sql, table, sqlstate, when="UPDATE" if table == "batches" else "INSERT")
    batch = await shop.order(QUANTITY)
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
    break_writes(sql, "units", "23514")  # a constraint: not of the kind that passes
    batch = await shop.order(QUANTITY)
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
