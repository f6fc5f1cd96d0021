"""The migrations make exactly the tables that the code describes, and let each service touch only its own."""

import asyncio
import importlib
import os
import sys

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import create_async_engine

from services.scan.tables import Xid8
from tests.conftest import DatabaseUrl

ischema_names["xid8"] = Xid8  # a type that SQLAlchemy does not know
ROOMS = ("factory", "scan", "anchor", "admin")


def _differences(connection: Connection) -> list[object]:
    partitions = {
        row[0] for row in connection.exec_driver_sql("SELECT relname FROM pg_class WHERE relispartition").fetchall()
    }
    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": lambda name, kind, _: name in ROOMS if kind == "schema" else name not in partitions,
            "compare_type": True,
        },
    )
    # Every room's tables at once: what a database has beyond them is a difference, too.
    return list(compare_metadata(context, _together()))


def _together() -> MetaData:
    whole = MetaData()
    for room in ROOMS:
        for table in importlib.import_module(f"services.{room}.tables").metadata.sorted_tables:
            table.to_metadata(whole)
    return whole


async def test_the_migrations_make_the_tables_that_the_code_describes(database_url: DatabaseUrl) -> None:
    engine = create_async_engine(database_url().replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()
    assert differences == []


@pytest.mark.parametrize("room", ROOMS)
async def test_a_service_cannot_touch_another_s_tables(database_url: DatabaseUrl, room: str) -> None:
    connection = await asyncpg.connect(database_url(f"voketag_{room}"))
    try:
        reachable = await connection.fetch(
            """
            SELECT n.nspname, c.relname,
                   has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS writes,
                   has_table_privilege(c.oid, 'SELECT') AS reads
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY($1)
            """,
            list(ROOMS),
        )
    finally:
        await connection.close()
    foreign = [row for row in reachable if row["nspname"] != room]
    assert [row["relname"] for row in foreign if row["writes"]] == []
    read = {row["relname"] for row in foreign if row["reads"]}
    assert read == ({"products", "batches", "units", "tenant_settings"} if room == "scan" else set())


async def test_a_service_cannot_drop_its_own_tables(database_url: DatabaseUrl) -> None:
    connection = await asyncpg.connect(database_url("voketag_factory"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DROP TABLE factory.units")
    finally:
        await connection.close()


async def test_two_migrations_at_once_are_one(database_url: DatabaseUrl) -> None:
    environment = {**os.environ, "VOKETAG_DATABASE_URL": database_url()}
    arguments = ("-m", "services.migrations", "upgrade")
    runs = [await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment) for _ in range(2)]
    assert [await run.wait() for run in runs] == [0, 0]
