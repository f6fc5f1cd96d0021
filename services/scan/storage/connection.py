"""One PostgreSQL connection, held for good: statements stay prepared, and a lost server is found again.

A pool would cost the hot path three times as much per statement. One connection carries one statement at a time;
callers batch (see `batching.py`), so that one is enough for thousands of scans a second.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import asyncpg
from asyncpg.exceptions._base import InterfaceError, InternalClientError

from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.scan.breaker import Breaker

_REST_SECONDS = 0.5
_PROBE_SECONDS = 2.0
_CONNECT_SECONDS = 1.0
_log = get_logger(__name__)

_AWAY = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)
_FULL = (asyncpg.InsufficientResourcesError, asyncpg.ReadOnlySQLTransactionError, asyncpg.LockNotAvailableError)


class HeldConnection:
    """A connection that is made when it is needed and made again after it was lost."""

    def __init__(self, *, dsn: str, name: str, timeout_seconds: float, breaker: Breaker | None = None) -> None:
        """`name` is what `pg_stat_activity` shows. Connections to one server share their breaker."""
        self._dsn = dsn
        self._name = name
        self._timeout = timeout_seconds
        self._connection: Any = None
        self._statements: dict[str, Any] = {}
        self._turn = asyncio.Lock()
        self._breaker = breaker or Breaker(part="postgresql", rest_seconds=_REST_SECONDS, probe_seconds=_PROBE_SECONDS)

    async def __aenter__(self) -> Self:
        """Take nothing yet: a server that starts before its database waits for it when it is asked."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._drop()

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Any]:
        """Run one prepared statement in a transaction of its own and return its rows.

        Unavailable when the server is away, slow or full. The connection is dropped then, and nothing is sent twice:
        whether a statement under way took effect is not known.
        """
        if self._breaker.refuses:  # before the turn, which a probe may hold for as long as it takes to fail
            raise Unavailable
        async with self._turn:
            if not self._breaker.allows():
                raise Unavailable
            try:
                async with asyncio.timeout(self._timeout):
                    statement = self._statements.get(sql)
                    if statement is None or self._connection is None or self._connection.is_closed():
                        statement = await self._prepare(sql)
                    rows: Sequence[Any] = await statement.fetch(*arguments)
            except (*_AWAY, *_FULL, InterfaceError, InternalClientError) as error:
                if isinstance(error, TimeoutError) or self._connection is None:
                    self._breaker.failed()
                else:
                    self._breaker.abandoned()  # a connection was lost; whether the server is, the next one tells
                self._drop()
                _log.warning("the database does not answer", connection=self._name, error=repr(error))
                raise Unavailable from error
            except asyncio.CancelledError:
                self._drop()  # the answer of the statement under way would be taken for the next one's
                self._breaker.abandoned()
                raise
            except BaseException:
                self._breaker.succeeded()  # it answered, if only to refuse
                raise
            self._breaker.succeeded()
            return rows

    async def _prepare(self, sql: str) -> Any:
        if self._connection is None or self._connection.is_closed():
            self._drop()
            self._connection = await self._connect()
        statement = self._statements[sql] = await self._connection.prepare(sql)
        return statement

    async def _connect(self) -> Any:
        return await asyncpg.connect(  # type: ignore[no-untyped-call]
            self._dsn,
            timeout=_CONNECT_SECONDS,
            server_settings={
                "application_name": f"voketag-scan {self._name}",
                "statement_timeout": str(int(self._timeout * 1000)),
                "synchronous_commit": "on",  # an answer says that the scan is on disk, whatever the server's default
            },
        )

    def _drop(self) -> None:
        self._statements.clear()
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
