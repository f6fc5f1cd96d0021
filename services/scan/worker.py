"""`python -m services.scan.worker`: upkeep of Scan's tables, and notices to Factory."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

from services.common.clock import Clock, SystemClock
from services.common.process import run
from services.common.repeating import first_of
from services.common.rpc.channels import channel
from services.common.tokens import ServiceTokens, TokenSigner
from services.common.upkeep import Job, Upkeep
from services.scan.database_clock import DatabaseClock, following
from services.scan.jobs import ensure_partitions, forget_checkpoints, forget_events, forget_hints, forget_reports
from services.scan.ledger_key import LedgerKey
from services.scan.operations.anchoring import CheckpointAnchoring
from services.scan.operations.notices import Notices
from services.scan.operations.rollups import Rollups
from services.scan.operations.sequencing import Sequencer
from services.scan.peers import CheckpointTaker, NoticeTaker
from services.scan.settings import WorkerSettings
from services.scan.storage.connection import HeldConnection

_STATEMENT_SECONDS = 30
_LOOK_SECONDS = 0.1


async def serve(settings: WorkerSettings, stop: asyncio.Event) -> None:
    """Work until `stop` is set."""
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(
            HeldConnection(dsn=settings.database_url, name="worker", timeout_seconds=_STATEMENT_SECONDS)
        )
        clock = DatabaseClock()
        await stack.enter_async_context(following(clock, connection))
        await _heard_of(clock, stop)
        factory = await stack.enter_async_context(channel(settings.factory_address))
        tokens = ServiceTokens(TokenSigner(key_file=settings.service_key, clock=SystemClock()))
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
                Upkeep(
                    service="scan",
                    database_url=settings.database_url,
                    jobs=_jobs(settings, connection, clock, notices, anchoring),
                    clock=clock,
                ).run(stop)
            )


async def _heard_of(clock: DatabaseClock, stop: asyncio.Event) -> None:
    """Wait for the time: by a guess at it, upkeep might delete what is to be kept."""
    while not clock.is_set and not stop.is_set():
        await first_of(stop.wait, seconds=_LOOK_SECONDS)


def _jobs(
    settings: WorkerSettings, connection: HeldConnection, clock: Clock, notices: Notices, anchoring: CheckpointAnchoring
) -> list[Job]:
    rollups = Rollups(connection=connection, clock=clock)
    often, calmly = timedelta(seconds=2), timedelta(seconds=60)
    reports = timedelta(days=settings.report_retention_days)
    hints = timedelta(hours=settings.hint_retention_hours)
    checkpoints = timedelta(hours=settings.checkpoint_retention_hours)
    jobs = [
        Job("keep_partitions", calmly, lambda: ensure_partitions(connection=connection, clock=clock)),
        Job("forget_reports", calmly, lambda: forget_reports(connection=connection, clock=clock, kept=reports)),
        Job(
            "forget_checkpoints",
            calmly,
            lambda: forget_checkpoints(connection=connection, clock=clock, kept=checkpoints),
        ),
        Job("forget_hints", calmly, lambda: forget_hints(connection=connection, clock=clock, kept=hints)),
        Job("forget_notices", calmly, notices.forget),
        Job("add_to_rollups", often, rollups.add_new),
        Job("forget_rollup_hours", calmly, rollups.forget_hours),
        Job("anchor_checkpoint", timedelta(seconds=5), anchoring.submit),
        Job("note_high_risk", often, notices.note_high_risk),
        Job("deliver_notices", often, notices.deliver),
    ]
    if months := settings.scan_retention_months:
        run = partial(forget_events, connection=connection, clock=clock, kept_months=months)
        jobs.append(Job("forget_events", timedelta(hours=1), run))
    return jobs


if __name__ == "__main__":
    settings = WorkerSettings()
    run("scan-worker", settings, partial(serve, settings))
