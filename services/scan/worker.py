"""`python -m services.scan.worker`: upkeep of Scan's tables, and notices to Factory."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from services.common.clock import Clock, SystemClock
from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.common.process import run
from services.common.queue import Periodic, run_worker
from services.common.rpc.channels import channel
from services.common.tokens import ServiceTokens, TokenSigner
from services.scan.jobs import ensure_partitions, forget_checkpoints, forget_reports
from services.scan.ledger_key import LedgerKey
from services.scan.operations.anchoring import CheckpointAnchoring
from services.scan.operations.notices import Notices
from services.scan.operations.rollups import Rollups
from services.scan.operations.sequencing import Sequencer
from services.scan.peers import CheckpointTaker, NoticeTaker
from services.scan.settings import WorkerSettings
from services.scan.storage.connection import HeldConnection

QUEUE_NAME = "voketag:scan"
_STATEMENT_SECONDS = 30
_log = get_logger(__name__)


async def serve(settings: WorkerSettings, stop: asyncio.Event) -> None:
    """Work until `stop` is set."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(
            HeldConnection(dsn=settings.database_url, name="worker", timeout_seconds=_STATEMENT_SECONDS)
        )
        factory = await stack.enter_async_context(channel(settings.factory_address))
        tokens = ServiceTokens(TokenSigner(key_file=settings.service_key, clock=clock))
        notices = Notices(connection=connection, taker=NoticeTaker(factory=factory, tokens=tokens), clock=clock)
        anchor = await stack.enter_async_context(channel(settings.anchor_address))
        anchoring = CheckpointAnchoring(
            connection=connection,
            anchor=CheckpointTaker(anchor=anchor, tokens=tokens),
            origin=settings.ledger_origin,
            interval=timedelta(seconds=settings.ledger_anchor_seconds),
            clock=clock,
        )
        sequencer = Sequencer(
            database_url=settings.database_url,
            key=LedgerKey.load(settings.ledger_key, origin=settings.ledger_origin),
            clock=clock,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(sequencer.run(stop))
            group.create_task(
                run_worker(
                    url=settings.queue_url,
                    name=QUEUE_NAME,
                    jobs={},
                    periodic=_upkeep(settings, connection, clock, notices, anchoring),
                    max_jobs=4,
                    job_timeout_seconds=60,
                    stop=stop,
                )
            )


def _upkeep(
    settings: WorkerSettings, connection: HeldConnection, clock: Clock, notices: Notices, anchoring: CheckpointAnchoring
) -> list[Periodic]:
    rollups = Rollups(connection=connection, clock=clock)
    reports = timedelta(days=settings.report_retention_days)
    checkpoints = timedelta(hours=settings.checkpoint_retention_hours)
    return [
        _job("keep_partitions", lambda: ensure_partitions(connection=connection, clock=clock), seconds=60),
        _job(
            "forget_reports",
            lambda: forget_reports(connection=connection, clock=clock, kept=reports),
            seconds=60,
        ),
        _job(
            "forget_checkpoints",
            lambda: forget_checkpoints(connection=connection, clock=clock, kept=checkpoints),
            seconds=60,
        ),
        _job("forget_notices", notices.forget, seconds=60),
        _job("add_to_rollups", rollups.add_new, seconds=2),
        _job("forget_rollup_hours", rollups.forget_hours, seconds=60),
        _job("anchor_checkpoint", anchoring.submit, seconds=5),
        _job("note_high_risk", notices.note_high_risk, seconds=2),
        _job("deliver_notices", notices.deliver, seconds=2),
    ]


def _job(name: str, work: Callable[[], Awaitable[None]], *, seconds: int) -> Periodic:
    """Return work that leaves what it cannot do now to its next run."""

    async def run_once() -> None:
        try:
            await work()
        except Unavailable as error:
            _log.warning("left to the next run", job=name, error=error.message)

    run_once.__name__ = name
    return Periodic(run=run_once, seconds=seconds)


if __name__ == "__main__":
    settings = WorkerSettings()
    run("scan-worker", settings, partial(serve, settings))
