"""PostgreSQL through SQLAlchemy 2 Core: one engine a process, explicit transactions, work that waits for the commit.

The scan path and bulk loads use asyncpg directly (see `dsn`); everything else goes through here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.common.errors import ConcurrentUpdate, Unavailable
from services.common.settings import ProcessSettings

_IDLE_MILLISECONDS = 60_000

AfterCommit = Callable[[], Awaitable[None]]


class Transaction:
    """A transaction in progress. Storage functions take it; only operations open it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._after_commit: list[AfterCommit] = []

    def after_commit(self, work: AfterCommit) -> None:
        """Run `work` once the transaction is committed, never when it is rolled back: for nudges, not for facts."""
        self._after_commit.append(work)

    async def run_after_commit(self) -> None:
        """Run what waited for the commit, in order."""
        for work in self._after_commit:
            await work()


class Database:
    """The connections of one process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    def open(cls, settings: ProcessSettings, *, lock_seconds: float = 0) -> Self:
        """Make the pool; the first connection is made when it is needed.

        `lock_seconds` is how long a statement waits for a lock (0 for no end) before it is ConcurrentUpdate.
        """
        return cls(
            create_async_engine(
                settings.database_url.replace("postgresql://", "postgresql+asyncpg://", 1),
                pool_size=settings.database_pool_size,
                max_overflow=0,
                pool_pre_ping=True,  # a server that was restarted costs a reconnect, not a failed call
                pool_timeout=5,
                hide_parameters=True,  # a failed statement is logged; what people and partners sent is not
                # A server that is gone without a word (a pulled cable) must not hold a caller for ever.
                connect_args={
                    "timeout": 5,
                    "command_timeout": 30,
                    # Nor may a process that hangs in the middle of a transaction keep its locks from everybody else.
                    "server_settings": {
                        "idle_in_transaction_session_timeout": str(_IDLE_MILLISECONDS),
                        "lock_timeout": str(int(lock_seconds * 1000)),
                    },
                },
            )
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction: committed at the end of the block, rolled back by any exception.

        A lost or refused connection is Unavailable, a lock that did not come in time or a deadlock ConcurrentUpdate.
        When the connection is lost during COMMIT the outcome is not known; writes are idempotent by `request_id`, so
        that the caller's retry settles it.
        """
        with _translated():
            async with self._engine.begin() as connection:
                transaction = Transaction(connection)
                yield transaction
        await transaction.run_after_commit()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """Open a connection for single statements, without BEGIN and COMMIT around each."""
        with _translated():
            async with self._reading.connect() as connection:
                yield Transaction(connection)


class _translated:  # noqa: N801 - reads as the statement it is
    """Translates lost connections and lost races; a wrong statement is a fault of ours and stays one."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | TimeoutError | PoolTimeoutError) or (
            isinstance(error, DBAPIError) and _is_lost(error)
        ):
            raise Unavailable("the database does not answer; try again") from error
        if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _LOST_RACES:
            raise ConcurrentUpdate from error


_LOST_SQLSTATE_CLASSES = (
    "08",
    "53",
    "57",
)  # connection exception, insufficient resources, operator intervention


_LOST_RACES = frozenset({"40001", "40P01", "55P03"})  # serialization failure, deadlock, lock not available


def _is_lost(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or (isinstance(state, str) and state.startswith(_LOST_SQLSTATE_CLASSES))


def dsn(settings: ProcessSettings) -> str:
    """Return the URL that asyncpg takes."""
    return settings.database_url
