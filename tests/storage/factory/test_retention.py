"""What is forgotten, and what is kept."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.common.database import Database
from services.common.ids import uuid7
from services.factory.operations import event_retention
from services.factory.operations.event_retention import EventRetention
from services.factory.operations.retention import Retention
from services.factory.storage import idempotency
from services.factory.storage.idempotency import WriteKey
from tests.conftest import DatabaseUrl

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class StoppedClock:
    """Noon, for ever."""

    def now(self) -> datetime:
        return NOON


async def test_answers_are_remembered_for_a_day_and_then_forgotten(factory_database: Database) -> None:
    old, young = (WriteKey(uuid7(), "CreateProduct", uuid7()) for _ in range(2))
    async with factory_database.transaction() as tx:
        for key, age in ((old, timedelta(hours=24, seconds=1)), (young, timedelta(hours=23, minutes=59))):
            assert await idempotency.keep(tx, key, request_hash=b"hash", response=b"answer", now=NOON - age)
    await Retention(database=factory_database, clock=StoppedClock()).forget_answers()
    async with factory_database.transaction() as tx:
        assert await idempotency.first_answer(tx, old) is None
        kept = await idempotency.first_answer(tx, young)
    assert kept is not None
    assert kept.response == b"answer"


async def test_retention_that_is_cut_off_in_the_middle_leaves_the_rest_to_its_next_run(
    factory_database: Database, database_url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The statement waits for a row that somebody holds, and its connection is killed there."""
    monkeypatch.setattr(event_retention, "_ROWS", 10)
    tenant_id, old = uuid7(), NOON - timedelta(days=31)
    owner = await asyncpg.connect(database_url())
    await owner.execute(
        "INSERT INTO factory.outbox (event_id, tenant_id, topic, subject, payload, created_at, published_at) "
        "SELECT gen_random_uuid(), $1, 'batch.created', n::text, '{}', $2, "
        "CASE WHEN n <= 35 THEN $2::timestamptz + n * interval '1 second' END "
        "FROM generate_series(1, 40) n",
        tenant_id,
        old,
    )
    retention = EventRetention(database=factory_database, clock=StoppedClock(), kept=timedelta(days=30))
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("SELECT FROM factory.outbox WHERE subject = ANY('{12,22,32}') FOR UPDATE")
    running = asyncio.create_task(retention.forget_events())
    killer = await asyncpg.connect(database_url())
    cut_off = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(30):
        while not await killer.fetchval(cut_off):  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.02)
    await asyncio.wait_for(running, 10)
    await transaction.rollback()
    left = "SELECT count(*) FILTER (WHERE published_at IS NOT NULL), count(*) FROM factory.outbox"
    published, every = await killer.fetchrow(left)
    assert 0 < published < 40, "whole rounds went, the one that was cut off did not"
    assert every - published == 5
    await retention.forget_events()
    assert tuple(await killer.fetchrow(left)) == (0, 5), "events that nobody published are never forgotten"
    await owner.close()
    await killer.close()
