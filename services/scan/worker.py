"""`python -m services.scan.worker`: upkeep of Scan's tables."""

import asyncio
from functools import partial

from services.common.clock import SystemClock
from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.common.process import run
from services.common.queue import Periodic, run_worker
from services.scan.jobs import ensure_partitions
from services.scan.settings import WorkerSettings
from services.scan.storage.connection import HeldConnection

QUEUE_NAME = "voketag:scan"
_STATEMENT_SECONDS = 30
_log = get_logger(__name__)


async def serve(settings: WorkerSettings, stop: asyncio.Event) -> None:
    """Work until `stop` is set."""
    clock = SystemClock()
    async with HeldConnection(
        dsn=settings.database_url, name="worker", timeout_seconds=_STATEMENT_SECONDS
    ) as connection:

        async def keep_partitions() -> None:
            try:
                await ensure_partitions(connection=connection, clock=clock)
            except Unavailable as error:
                _log.warning("no partitions were made, the next minute tries again", error=error.message)

        await run_worker(
            url=settings.queue_url,
            name=QUEUE_NAME,
            jobs={},
            periodic=[Periodic(run=keep_partitions, seconds=60)],
            max_jobs=1,
            job_timeout_seconds=60,
            stop=stop,
        )


if __name__ == "__main__":
    settings = WorkerSettings()
    run("scan-worker", settings, partial(serve, settings))
