"""arq behind one door: nudges in, jobs out.

A nudge only says "look": the work stands in PostgreSQL, and a sweeper in each worker finds what a lost nudge
missed. So the queue may be flushed or away at any time, and nothing but a few seconds is lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from arq.connections import ArqRedis
from arq.typing import WorkerCoroutine
from arq.worker import Worker, func
from redis.exceptions import RedisError

from services.common.logs import get_logger

_NUDGE_SECONDS = 1.0  # a server that hangs must not hold up the caller, whose work is committed already
_CONNECT_SECONDS = 2
_LAST_WORDS_SECONDS = 2.0

_log = get_logger(__name__)


class Queue:
    """The sending side."""

    def __init__(self, *, url: str, name: str) -> None:
        self._pool = _pool(url)
        self._name = name

    async def nudge(self, job: str, key: str) -> None:
        """Ask the workers to run `job` for `key` soon. Failures are logged, not raised.

        Nudges carry no id of their own: with one, a worker killed in the middle would keep its successor out until
        arq's in-progress mark expires. The lease in PostgreSQL makes a second run harmless.
        """
        try:
            async with asyncio.timeout(_NUDGE_SECONDS):
                await self._pool.enqueue_job(job, key, _queue_name=self._name)
        except (RedisError, OSError) as error:
            _log.warning("nudge lost, the sweeper will find the work", job=job, key=key, error=str(error))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


async def run_worker(
    *,
    url: str,
    name: str,
    jobs: Mapping[str, Callable[[str], Awaitable[None]]],
    max_jobs: int,
    job_timeout_seconds: float,
    stop: asyncio.Event,
) -> None:
    """Run jobs of the queue `name` until `stop` is set, and through outages of the queue's server."""
    stopping = asyncio.ensure_future(stop.wait())
    while not stop.is_set():
        pool = _pool(url)
        worker = _worker(pool, name=name, jobs=jobs, max_jobs=max_jobs, job_timeout_seconds=job_timeout_seconds)
        running = asyncio.ensure_future(worker.async_run())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            running.cancel()
        try:
            await running
        except asyncio.CancelledError:
            pass
        except (RedisError, OSError) as error:
            _log.warning("the queue does not answer, trying again", error=str(error))
        finally:
            await _close(worker, pool)
        if not stop.is_set():
            await asyncio.sleep(1)


def _worker(
    pool: ArqRedis,
    *,
    name: str,
    jobs: Mapping[str, Callable[[str], Awaitable[None]]],
    max_jobs: int,
    job_timeout_seconds: float,
) -> Worker:
    return Worker(
        functions=[func(_keyed(run), name=job, keep_result=0, max_tries=1) for job, run in jobs.items()],
        queue_name=name,
        redis_pool=pool,
        handle_signals=False,
        max_jobs=max_jobs,
        job_timeout=job_timeout_seconds,
        poll_delay=0.1,
        keep_result=0,
    )


async def _close(worker: Worker, pool: ArqRedis) -> None:
    """Let jobs end, which take no time, and close the connections. arq's own way would cancel them, and lose the
    connections over which they still say that they are done."""
    try:
        if worker.tasks:
            await asyncio.wait(worker.tasks.values(), timeout=_LAST_WORDS_SECONDS)
        await pool.delete(worker.health_check_key)
    except (RedisError, OSError) as error:
        _log.debug("the queue was gone at closing", error=str(error))
    finally:
        await pool.aclose()


def _keyed(run: Callable[[str], Awaitable[None]]) -> WorkerCoroutine:
    async def job(_context: dict[str, Any], key: str) -> None:
        await run(key)

    return cast(WorkerCoroutine, job)


def _pool(url: str) -> ArqRedis:
    """Return connections that are made when they are needed. arq's own way to open some, which looks for the server
    first, loses one when it is cancelled meanwhile."""
    pool: ArqRedis = ArqRedis.from_url(url, socket_connect_timeout=_CONNECT_SECONDS, retry=None)
    return pool
