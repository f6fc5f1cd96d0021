"""Transactions, and what waits for them."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from sqlalchemy import text

from services.common.database import Database, Transaction
from services.common.errors import Unavailable
from services.common.settings import ProcessSettings
from tests.conftest import DatabaseUrl


@pytest.fixture
async def database(database_url: DatabaseUrl) -> AsyncIterator[Database]:
    """A database with a single connection and an empty table."""
    settings = ProcessSettings(database_url=database_url(), database_pool_size=1)
    async with aclosing(Database.open(settings)) as opened:
        async with opened.transaction() as tx:
            await tx.connection.execute(text("CREATE TABLE note (words text PRIMARY KEY)"))
        yield opened


async def write(tx: Transaction, words: str) -> None:
    await tx.connection.execute(text("INSERT INTO note VALUES (:words)"), {"words": words})


async def notes(database: Database) -> list[str]:
    async with database.reading() as tx:
        return list(await tx.connection.scalars(text("SELECT words FROM note ORDER BY words")))


async def test_what_waits_for_the_commit_sees_what_was_committed(database: Database) -> None:
    seen: list[list[str]] = []

    async def look() -> None:
        seen.append(await notes(database))

    async with database.transaction() as tx:
        tx.after_commit(look)
        await write(tx, "kept")
        assert seen == []
    assert seen == [["kept"]]


async def test_a_failure_rolls_back_and_runs_nothing_that_waited(database: Database) -> None:
    ran: list[str] = []

    async def run() -> None:
        ran.append("too late")

    async def fail() -> None:
        async with database.transaction() as tx:
            tx.after_commit(run)
            await write(tx, "lost")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await notes(database) == []
    assert ran == []


async def test_when_every_connection_is_taken_the_next_caller_is_told_to_come_back(database: Database) -> None:
    async with database.transaction():
        with pytest.raises(Unavailable):
            await notes(database)
