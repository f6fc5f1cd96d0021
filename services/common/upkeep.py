"""Jobs that run now and then, in one process of a service at a time: retention, partitions, sums, notices.

The processes of a service agree on a leader by a session lock of PostgreSQL, on a connection of its own; when the
leader dies, its session does, and another one takes over within a second. A job never overlaps with itself: its next
run waits for the last. What a job cannot do now it leaves to its next run; jobs may be cut off and run again.
Alternatives considered: the queue's cron (runs late or never while the queue is away, and overlaps when a run takes
longer than its interval), a table of due times with a lease on each job (as much code, and writes for nothing).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import asyncpg
from asyncpg.exceptions import PostgresError
from asyncpg.exceptions._base import InterfaceError, InternalClientError
from prometheus_client import Gauge, Histogram

from services.common.clock import Clock
from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.common.repeating import first_of

_LOOK_SECONDS: Final = 0.5
_STANDBY_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 5.0
LONGEST_RUN_SECONDS: Final = 120.0
"""A run that takes longer is cut off; the next one goes on."""

# What a connection raises whose server went away, in the middle of whatever it was doing.
_AWAY: Final = (OSError, TimeoutError, PostgresError, InterfaceError, InternalClientError)
_log = get_logger(__name__)
_seconds = Histogram(
    "voketag_upkeep_seconds",
    "Time of a run of a job of upkeep, by how it went: ok, away (left to the next run) or error.",
    ["job", "result"],
    buckets=(0.01, 0.1, 1, 10, 60, 120),
)
_leader = Gauge("voketag_upkeep_leader", "1 in the process of a service that does its upkeep.")


@dataclass(frozen=True, slots=True)
class Job:
    """Work that is due every so often."""

    name: str
    every: timedelta
    run: Callable[[], Awaitable[object]]


class Upkeep:
    """Runs jobs while this process leads."""

    def __init__(self, *, service: str, database_url: str, jobs: Sequence[Job], clock: Clock) -> None:
        self._database_url = database_url
        self._jobs = jobs
        self._clock = clock
        self._lock = int.from_bytes(sha256(f"voketag upkeep {service}".encode()).digest()[:8], signed=True)
        self._due: dict[str, datetime] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Lead or stand by until `stop` is set."""
        while not stop.is_set():
            async with self._leading() as connection:
                if connection is not None:
                    await self._lead(connection, stop)
            await first_of(stop.wait, seconds=_STANDBY_SECONDS)

    async def run_due(self) -> list[str]:
        """Run the jobs that are due, each at the same time as the others; return their names when all have ended."""
        started = self._start_due()
        await asyncio.gather(*started.values())
        return list(started)

    async def _lead(self, connection: "asyncpg.Connection", stop: asyncio.Event) -> None:
        _leader.set(1)
        try:
            while not stop.is_set():
                # Whoever has lost the session has lost the lock with it: the answer says that it is still there.
                await connection.fetchval("SELECT 1", timeout=_ANSWER_SECONDS)  # type: ignore[no-untyped-call]
                self._start_due()
                await first_of(stop.wait, seconds=_LOOK_SECONDS)
        except _AWAY as error:
            _log.warning("upkeep passes to another process", error=str(error))
        finally:
            _leader.set(0)
            running = list(self._running.values())
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            self._due.clear()

    def _start_due(self) -> dict[str, "asyncio.Task[None]"]:
        now = self._clock.now()
        started = {}
        for job in self._jobs:
            if job.name not in self._running and now >= self._due.get(job.name, now):
                self._due[job.name] = now + job.every
                started[job.name] = self._running[job.name] = asyncio.create_task(self._run(job))
        return started

    async def _run(self, job: Job) -> None:
        began = asyncio.get_running_loop().time()
        result = "error"
        try:
            async with asyncio.timeout(LONGEST_RUN_SECONDS):
                await job.run()
            result = "ok"
        except (Unavailable, TimeoutError) as error:
            result = "away"
            _log.warning("left to the next run", job=job.name, error=str(error))
        except Exception:
            # The other jobs, and this one's next run, must outlive whatever a run runs into.
            _log.exception("a job of upkeep failed", job=job.name)
        finally:
            del self._running[job.name]
            _seconds.labels(job.name, result).observe(asyncio.get_running_loop().time() - began)

    @asynccontextmanager
    async def _leading(self) -> "AsyncIterator[asyncpg.Connection | None]":
        """Yield the connection that holds the lock, None when another process has it or the database is away."""
        connection = None
        leads = False
        try:
            connection = await asyncpg.connect(  # type: ignore[no-untyped-call]
                self._database_url, timeout=_ANSWER_SECONDS, server_settings={"application_name": "voketag upkeep"}
            )
            leads = await connection.fetchval("SELECT pg_try_advisory_lock($1)", self._lock, timeout=_ANSWER_SECONDS)
        except _AWAY as error:
            _log.warning("the database does not answer", error=str(error))
        try:
            yield connection if leads else None
        finally:
            if connection is not None:
                connection.terminate()  # the end of the session frees the lock
