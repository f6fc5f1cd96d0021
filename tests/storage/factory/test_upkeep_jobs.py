"""Factory's upkeep, job by job: nothing before its time, everything when the clock says so."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.common.caller import TENANT_SCOPES
from services.common.database import Database
from services.common.ids import uuid7
from services.common.upkeep import Upkeep
from services.factory.operations.api_keys import ApiKeys
from services.factory.operations.signing_keys import ensure_signing_keys
from services.factory.operations.tenants import create_tenant
from services.factory.settings import WorkerSettings
from services.factory.storage import idempotency
from services.factory.storage.idempotency import WriteKey
from services.factory.worker_app import _jobs

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class MovedClock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.moment = NOON

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def kept(factory_database: Database, clock: MovedClock, tmp_path: Path) -> Upkeep:
    """The worker's own jobs, with a clock that moves."""
    (tmp_path / "key.pem").touch()
    settings = WorkerSettings(
        database_url="postgresql://unused",
        anchor_address="unused",
        unit_keys=tmp_path,
        webhook_keys=tmp_path,
        service_key=tmp_path / "key.pem",
        signing_key_id=1,
    )
    return Upkeep(service="factory", database_url="", jobs=_jobs(settings, factory_database, clock), clock=clock)


@pytest.fixture
async def tenant_id(factory_database: Database, clock: MovedClock) -> UUID:
    tenant = await create_tenant(
        database=factory_database, clock=clock, name="Acme", verification_base_url="https://acme.example"
    )
    return tenant.tenant_id


async def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    async with database.reading() as tx:
        return [tuple(row) for row in await tx.connection.execute(text(query))]


async def test_answers_go_after_a_day(factory_database: Database, kept: Upkeep, clock: MovedClock) -> None:
    async with factory_database.transaction() as tx:
        key = WriteKey(uuid7(), "CreateProduct", uuid7())
        assert await idempotency.keep(tx, key, request_hash=b"hash", response=b"", now=NOON)
    for later, left in ((timedelta(hours=24), 1), (timedelta(minutes=1), 0)):
        clock.moment += later
        assert "forget_answers" in await kept.run_due()
        assert await rows(factory_database, "SELECT count(*)::int FROM factory.idempotency") == [(left,)]


async def test_tenants_are_told_once_that_a_key_ends_soon(
    factory_database: Database, kept: Upkeep, clock: MovedClock, tenant_id: UUID
) -> None:
    keys = ApiKeys(database=factory_database, clock=clock)

    async def make(name: str, days: int | None) -> str:
        async with factory_database.transaction() as tx:
            new = await keys.create(
                tx,
                tenant_id,
                name=name,
                scopes=["products:read"],
                expires_at=None if days is None else NOON + timedelta(days=days),
                granted_by=TENANT_SCOPES,
            )
        return new.api_key.key_id

    ending = await make("line 3", 20)
    await make("line 4", None)
    revoked, rotated = await make("line 5", 21), await make("line 6", 500)
    async with factory_database.transaction() as tx:
        await keys.revoke(tx, tenant_id, revoked)
        await keys.rotate(tx, tenant_id, rotated, overlap=timedelta(days=7), granted_by=TENANT_SCOPES)
    told = "SELECT topic, subject, payload->>'name', payload->>'expires_at', tenant_id FROM factory.outbox"
    await kept.run_due()
    clock.moment = NOON + timedelta(days=6, minutes=-1)
    await kept.run_due()
    assert await rows(factory_database, told) == []
    for _ in range(3):
        clock.moment += timedelta(hours=1)
        await kept.run_due()
        assert await rows(factory_database, told) == [
            ("key.expiring", ending, "line 3", "2026-03-21T12:00:00+00:00", tenant_id)
        ]


async def test_published_events_go_when_they_have_had_their_time_and_waiting_ones_stay(
    factory_database: Database, kept: Upkeep, clock: MovedClock, tenant_id: UUID
) -> None:
    async with factory_database.transaction() as tx:
        for published in (NOON, None):
            await tx.connection.execute(
                text(
                    "INSERT INTO factory.outbox "
                    "(event_id, tenant_id, topic, subject, payload, created_at, published_at) "
                    "VALUES (:id, :tenant, 'batch.created', 'b', '{}', :now, :published)"
                ),
                {"id": uuid4(), "tenant": tenant_id, "now": NOON, "published": published},
            )
    for later, left in ((timedelta(days=30), 2), (timedelta(minutes=1), 1)):
        clock.moment += later
        assert "forget_events" in await kept.run_due()
        assert await rows(factory_database, "SELECT count(*)::int FROM factory.outbox") == [(left,)]


async def test_partitions_are_there_before_orders_need_them(
    factory_database: Database, kept: Upkeep, clock: MovedClock
) -> None:
    partitions = "SELECT count(*)::int FROM pg_inherits WHERE inhparent = 'factory.units'::regclass"
    await ensure_signing_keys(database=factory_database, clock=clock, keys={1: None}, active=1)  # type: ignore[dict-item]
    await kept.run_due()
    assert await rows(factory_database, partitions) == [(3,)]
    async with factory_database.transaction() as tx:
        # The next order straddles the border between the first partition and the second.
        await tx.connection.execute(text("UPDATE factory.signing_keys SET next_number = (1 << 24) + 5"))
    assert await kept.run_due() == []
    clock.moment += timedelta(minutes=1)
    assert "keep_unit_partitions" in await kept.run_due()
    assert await rows(factory_database, partitions) == [(4,)]


async def test_every_job_is_on_the_schedule(kept: Upkeep, clock: MovedClock) -> None:
    every_minute = {"forget_answers", "forget_events", "tidy_imports", "keep_unit_partitions"}
    assert set(await kept.run_due()) == every_minute | {"note_expiring_keys"}
    clock.moment += timedelta(minutes=1)
    assert set(await kept.run_due()) == every_minute
    clock.moment += timedelta(minutes=59)
    assert set(await kept.run_due()) == every_minute | {"note_expiring_keys"}
