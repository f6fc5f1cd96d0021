"""Who may write to a chain: one worker at a time, by a PostgreSQL session lock on a connection of its own.

The lock keeps a second worker waiting as a standby and passes on by itself when the first one dies. It is not what
makes a nonce unique: a lock can be lost unseen for a moment. That is the constraint `anchor_trees_nonce`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.exceptions import PostgresError
from asyncpg.exceptions._base import InterfaceError

from services.common.logs import get_logger

_LOCK = 0x766F6B65_616E6368
OUTCOMES = _LOCK - 1
"""The right to tell Factory: one worker does, so that a batch's outcomes arrive in their order."""
_log = get_logger(__name__)


def nonces_of(chain_id: int) -> int:
    """Return the key of the right to use the nonces of a chain."""
    return _LOCK + chain_id % (1 << 48)


@asynccontextmanager
async def ownership(database_url: str, key: int) -> AsyncIterator[asyncio.Event | None]:
    """Try to become the owner of a right: `nonces_of` a chain, or `OUTCOMES`.

    Yields an event that is set when the ownership is lost, or None when another has it.

    A database that does not answer is no owner either.
    """
    lost = asyncio.Event()
    connection = await _try_lock(database_url, key, lost)
    try:
        yield None if connection is None else lost
    finally:
        if connection is not None:
            # The end of the session frees the lock; a polite goodbye may hang on a server that is gone.
            connection.terminate()  # type: ignore[no-untyped-call]


async def _try_lock(database_url: str, key: int, lost: asyncio.Event) -> "asyncpg.Connection | None":
    connection = None
    owned = False
    try:
        connection = await asyncpg.connect(database_url, timeout=5)  # type: ignore[no-untyped-call]
        connection.add_termination_listener(lambda _: lost.set())
        owned = await connection.fetchval("SELECT pg_try_advisory_lock($1)", key, timeout=5)
    except (OSError, TimeoutError, PostgresError, InterfaceError) as error:
        _log.warning("the database does not answer", error=str(error))
    if connection is not None and not owned:
        connection.terminate()
    return connection if owned else None
