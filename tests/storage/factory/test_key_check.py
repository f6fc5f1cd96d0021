"""Keys held against what is stored: how often that is read, and what happens to many at once."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text

from services.common.caller import TENANT_SCOPES
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.errors import Unauthenticated
from services.factory.model.api_keys import NewApiKey
from services.factory.operations import key_check
from services.factory.operations.api_keys import ApiKeys
from services.factory.operations.key_check import KeyCheck
from services.factory.operations.tenants import create_tenant
from services.factory.storage import api_keys as storage

HERE = "127.0.0.1"


class Statements:
    """Counts what the database is asked about API keys."""

    def __init__(self, database: Database) -> None:
        self.reads = self.writes = 0
        event.listen(database._engine.sync_engine, "before_cursor_execute", self._count)

    def _count(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "api_keys" in statement:
            if "UPDATE factory.api_keys" in statement:
                self.writes += 1
            else:
                self.reads += 1


@pytest.fixture
async def keys(factory_database: Database) -> list[NewApiKey]:
    """Three keys of one tenant."""
    clock = SystemClock()
    tenant = await create_tenant(
        database=factory_database, clock=clock, name="Acme", verification_base_url="https://acme.example"
    )
    made = ApiKeys(database=factory_database, clock=clock)
    async with factory_database.transaction() as tx:
        return [
            await made.create(
                tx,
                tenant.tenant_id,
                name=str(number),
                scopes=["products:read"],
                expires_at=None,
                granted_by=TENANT_SCOPES,
            )
            for number in range(3)
        ]


def a_check(database: Database) -> KeyCheck:
    return KeyCheck(database=database, clock=SystemClock())


async def test_a_thousand_calls_at_once_with_one_key_read_it_once(
    factory_database: Database, keys: list[NewApiKey]
) -> None:
    check, asked = a_check(factory_database), Statements(factory_database)
    callers = await asyncio.gather(*(check.caller(keys[0].credential, HERE) for _ in range(1000)))
    assert {caller.subject for caller in callers} == {keys[0].api_key.key_id}
    assert (asked.reads, asked.writes) == (1, 0)


async def test_guesses_at_an_id_that_nobody_has_read_once_too(
    factory_database: Database, keys: list[NewApiKey]
) -> None:
    check, asked = a_check(factory_database), Statements(factory_database)
    nobodys = f"vkt_{'0' * 16}_{'A' * 43}"
    for _ in range(100):
        with pytest.raises(Unauthenticated):
            await check.caller(nobodys, HERE)
    assert asked.reads == 1


async def test_guesses_never_push_out_keys_and_take_no_more_room(
    factory_database: Database, keys: list[NewApiKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_check, "FRESH_SECONDS", 60.0)
    monkeypatch.setattr(key_check, "MOST_CACHED", 10)
    check, asked = a_check(factory_database), Statements(factory_database)
    await check.caller(keys[0].credential, HERE)
    for guess in range(25):
        with pytest.raises(Unauthenticated):
            await check.caller(f"vkt_{guess:016d}_{'A' * 43}", HERE)
    assert asked.reads == 26
    assert len(check._nobodys) <= 10
    await check.caller(keys[0].credential, HERE)
    assert asked.reads == 26


async def test_one_caller_that_gives_up_does_not_end_the_read_that_others_wait_for(
    factory_database: Database, keys: list[NewApiKey]
) -> None:
    check = a_check(factory_database)
    first = asyncio.create_task(check.caller(keys[0].credential, HERE))
    second = asyncio.create_task(check.caller(keys[0].credential, HERE))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).subject == keys[0].api_key.key_id
    assert not check._reading


async def test_the_last_uses_of_many_keys_are_one_statement(factory_database: Database, keys: list[NewApiKey]) -> None:
    check = a_check(factory_database)
    for key in keys:
        for _ in range(50):
            await check.caller(key.credential, HERE)
    asked = Statements(factory_database)
    async with check.noting_use(every_seconds=3600):
        pass
    assert (asked.reads, asked.writes) == (0, 1)
    async with factory_database.reading() as tx:
        found = [await storage.api_key_by_id(tx, key.api_key.key_id) for key in keys]
    assert all(key is not None and key.last_used_at is not None for key in found)


async def test_an_older_use_does_not_hide_a_newer_one(factory_database: Database, keys: list[NewApiKey]) -> None:
    newer, older = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    for used_at in (newer, older):
        async with factory_database.transaction() as tx:
            await storage.note_uses(tx, {keys[0].api_key.key_id: used_at})
    async with factory_database.reading() as tx:
        key = await storage.api_key_by_id(tx, keys[0].api_key.key_id)
    assert key is not None
    assert key.last_used_at == newer


async def test_processes_that_note_the_same_keys_at_once_do_not_deadlock(
    factory_database: Database, keys: list[NewApiKey]
) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    ids = [key.api_key.key_id for key in keys]

    async def note(order: list[str], number: int) -> None:
        async with factory_database.transaction() as tx:
            await storage.note_uses(tx, dict.fromkeys(order, now + timedelta(seconds=number)))

    await asyncio.gather(*(note(ids if number % 2 else ids[::-1], number) for number in range(60)))


async def test_a_key_is_found_by_one_look_into_its_index(factory_database: Database, keys: list[NewApiKey]) -> None:
    async with factory_database.transaction() as tx:
        await tx.connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await tx.connection.execute(
            text("EXPLAIN SELECT * FROM factory.api_keys WHERE key_id = :key_id"), {"key_id": keys[0].api_key.key_id}
        )
        assert "Index Scan using api_keys_pkey" in "\n".join(plan.scalars())
