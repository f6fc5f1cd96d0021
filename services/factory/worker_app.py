"""The worker's composition root: the only place where its parts meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from services.common.clock import Clock, SystemClock
from services.common.database import Database
from services.common.queue import run_worker
from services.common.rpc.channels import Peer, channel
from services.common.tokens import ServiceTokens, TokenSigner
from services.common.upkeep import Job, Upkeep
from services.factory.anchor_client import AnchorClient
from services.factory.hot_state import HotState
from services.factory.jobs import BatchWorker
from services.factory.minting_pool import MintingPool
from services.factory.operations.anchoring import Submitter
from services.factory.operations.batches import JOB, QUEUE_NAME
from services.factory.operations.claims import Claims
from services.factory.operations.delivering import Deliverer
from services.factory.operations.event_retention import EventRetention
from services.factory.operations.issuing import Issuer
from services.factory.operations.key_notices import KeyNotices
from services.factory.operations.outbox import Publisher
from services.factory.operations.partitions import ensure_unit_partitions
from services.factory.operations.retention import Retention
from services.factory.operations.unit_states import UnitStateChanger
from services.factory.settings import WorkerSettings
from services.factory.unit_state_jobs import UnitStateWorker
from services.factory.webhook_jobs import WebhookWorker
from services.factory.webhook_secrets import WebhookSecrets
from services.factory.webhook_sender import WebhookSender
from services.factory.webhook_targets import Targets

_RECORDING_SECONDS = 10.0
"""How long the outcome of a delivery may wait for the database before another worker may try it."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What the worker does."""

    batches: BatchWorker
    webhooks: WebhookWorker
    upkeep: Upkeep
    unit_states: UnitStateWorker

    async def look(self, key: str) -> None:
        """Take a nudge: a batch or a change of unit states is due, or an event waits."""
        await self.batches.look(key)
        self.unit_states.look()
        self.webhooks.look()


@asynccontextmanager
async def open_worker(settings: WorkerSettings) -> AsyncIterator[Worker]:
    """Put the worker together; its processes and connections end with the block."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(aclosing(Database.open(settings)))
        hot_state = await stack.enter_async_context(aclosing(HotState(url=settings.hot_state_url)))
        anchor_channel = await stack.enter_async_context(channel(settings.anchor_address))
        signer = TokenSigner(key_file=settings.service_key, clock=clock)
        minter = await stack.enter_async_context(
            MintingPool(processes=settings.issue_processes, keys_folder=settings.unit_keys)
        )
        anchors = AnchorClient(channel=anchor_channel, peer=Peer(name="anchor", tokens=ServiceTokens(signer)))
        webhooks = await stack.enter_async_context(_open_webhooks(settings, database, clock))
        yield Worker(
            batches=BatchWorker(
                claims=Claims(database=database, lease=timedelta(seconds=settings.lease_seconds)),
                issuer=Issuer(database=database, minter=minter),
                submitter=Submitter(database=database, anchors=anchors),
                at_once=settings.batches_at_once,
                sweep_seconds=settings.sweep_seconds,
            ),
            webhooks=webhooks,
            upkeep=Upkeep(
                service="factory",
                database_url=settings.database_url,
                jobs=_jobs(settings, database, clock),
                clock=clock,
            ),
            unit_states=UnitStateWorker(
                changer=UnitStateChanger(
                    database=database,
                    clock=clock,
                    hot_state=hot_state,
                    lease=timedelta(seconds=settings.lease_seconds),
                ),
                sweep_seconds=settings.sweep_seconds,
            ),
        )


@asynccontextmanager
async def _open_webhooks(settings: WorkerSettings, database: Database, clock: Clock) -> AsyncIterator[WebhookWorker]:
    async with (
        aclosing(Targets(private=settings.webhook_private_targets, threads=settings.webhooks_at_once)) as targets,
        WebhookSender(
            targets=targets, timeout_seconds=settings.webhook_timeout_seconds, ca_file=settings.webhook_ca_file
        ) as sender,
    ):
        yield WebhookWorker(
            database=database,
            clock=clock,
            publisher=Publisher(database=database, clock=clock),
            deliverer=Deliverer(
                database=database,
                clock=clock,
                sender=sender,
                secrets=WebhookSecrets(settings.webhook_keys),
                in_hand=timedelta(seconds=settings.webhook_timeout_seconds + _RECORDING_SECONDS),
            ),
            at_once=settings.webhooks_at_once,
            per_endpoint=settings.webhooks_per_endpoint,
            sweep_seconds=settings.sweep_seconds,
        )


def _jobs(settings: WorkerSettings, database: Database, clock: Clock) -> list[Job]:
    retention = Retention(database=database, clock=clock)
    events = EventRetention(database=database, clock=clock, kept=timedelta(days=settings.event_retention_days))
    keys = KeyNotices(database=database, clock=clock, within=timedelta(days=settings.key_notice_days))
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    return [
        Job("forget_answers", minute, retention.forget_answers),
        Job("forget_events", minute, events.forget_events),
        Job("tidy_imports", minute, retention.tidy_imports),
        Job("note_expiring_keys", hour, keys.note_expiring),
        Job("keep_unit_partitions", minute, partial(ensure_unit_partitions, database=database)),
    ]


async def serve(settings: WorkerSettings, stop: asyncio.Event) -> None:
    """Work until `stop` is set."""
    async with open_worker(settings) as worker, asyncio.TaskGroup() as group:
        group.create_task(worker.batches.run(stop))
        group.create_task(worker.webhooks.run(stop))
        group.create_task(worker.upkeep.run(stop))
        group.create_task(worker.unit_states.run(stop))
        group.create_task(
            run_worker(
                url=settings.queue_url,
                name=QUEUE_NAME,
                jobs={JOB: worker.look},
                max_jobs=10,
                job_timeout_seconds=10,
                stop=stop,
            )
        )
