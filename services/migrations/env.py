"""Alembic's environment: runs migrations in one transaction, under one lock."""

import asyncio
import importlib
import importlib.util
from typing import Any

from alembic import context
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

_LOCK = 0x766F6B65  # any constant: keeps a second migration out
_ROOMS = ("factory", "scan", "anchor", "admin")


def metadata() -> list[MetaData]:
    """Return the tables of every room; the contract tests compare them with what the migrations make."""
    found = [f"services.{room}.tables" for room in _ROOMS if importlib.util.find_spec(f"services.{room}.tables")]
    return [importlib.import_module(name).metadata for name in found]


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata(), include_schemas=True)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        context.run_migrations()


async def _run(url: Any) -> None:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_run(context.config.attributes["url"]))
