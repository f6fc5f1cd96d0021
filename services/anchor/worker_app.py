"""The worker's composition root: the only place where its parts meet.

Any number of workers may run. Each chain has one owner of its nonces at a time, and Factory hears of outcomes from one
worker; which worker that is may differ from job to job, and the others stand by. The loops do not depend on the queue:
its nudges only save the waiting, and time alone brings everything forward while it is away.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

from services.anchor import metrics
from services.anchor.factory import FactoryClient
from services.anchor.jobs import DryWriter, Job, Reporter, Writer
from services.anchor.model import DRY
from services.anchor.opening import open_chain
from services.anchor.operations.anchors import JOB, QUEUE_NAME
from services.anchor.operations.collecting import Collecting
from services.anchor.operations.filling import Filling
from services.anchor.operations.guarding import Guarding
from services.anchor.operations.observing import Observing
from services.anchor.operations.rechecking import Rechecking
from services.anchor.operations.rehearsing import Rehearsing
from services.anchor.operations.reporting import Reporting
from services.anchor.operations.sending import Sending
from services.anchor.operations.settling import Settling
from services.anchor.settings import WorkerSettings
from services.anchor.storage.ownership import OUTCOMES, nonces_of, ownership
from services.common.clock import Clock, SystemClock
from services.common.database import Database, dsn
from services.common.logs import get_logger
from services.common.queue import run_worker
from services.common.repeating import first_of, repeat
from services.common.rpc.channels import Peer, channel
from services.common.tokens import ServiceTokens, TokenSigner

_STANDBY_SECONDS = 2

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """A job that one worker at a time does, what wakes it, and the key of the right to do it."""

    name: str
    key: int
    job: Job
    wake: asyncio.Event
    listens: bool = False


@asynccontextmanager
async def open_worker(settings: WorkerSettings) -> AsyncIterator[Sequence[Line]]:
    """Make the jobs, one for each chain and one for Factory; nothing runs yet."""
    clock = SystemClock()
    report_now = asyncio.Event()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(aclosing(Database.open(settings)))
        writers = []
        for told in settings.chains():
            job = await _writer(told, database=database, clock=clock, on_outcome=report_now.set, stack=stack)
            key = nonces_of(told.chain_id)
            listens = told.chain_name == settings.chain_name
            writers.append(Line(told.chain_name, key, job, asyncio.Event(), listens=listens))
        tokens = ServiceTokens(TokenSigner(key_file=settings.service_key, clock=clock))
        to_factory = await stack.enter_async_context(channel(settings.factory_address))
        factory = FactoryClient(channel=to_factory, peer=Peer(name="factory", tokens=tokens))
        reporting = Reporting(database=database, clock=clock, factory=factory)
        reporter = Reporter(reporting=reporting, poll_seconds=settings.poll_seconds)
        yield [*writers, Line("outcomes", OUTCOMES, reporter, report_now)]


async def _writer(
    settings: WorkerSettings,
    *,
    database: Database,
    clock: Clock,
    on_outcome: Callable[[], None],
    stack: AsyncExitStack,
) -> Job:
    collecting = Collecting(
        database=database,
        clock=clock,
        chain=settings.chain_name,
        chain_id=settings.chain_id,
        max_roots=settings.max_roots_per_transaction,
        max_bytes=settings.max_bytes_per_transaction,
        aggregation_seconds=settings.aggregation_seconds,
    )
    if settings.chain_name == DRY:
        rehearsing = Rehearsing(database=database, clock=clock)
        return DryWriter(
            collecting=collecting, rehearsing=rehearsing, poll_seconds=settings.poll_seconds, on_outcome=on_outcome
        )
    chain = await stack.enter_async_context(aclosing(await open_chain(settings, clock=clock)))
    return Writer(
        guarding=Guarding(database=database, clock=clock, chain=chain, genesis_pinned=bool(settings.genesis_hash)),
        collecting=collecting,
        sending=Sending(
            database=database,
            clock=clock,
            chain=chain,
            fee_ceiling_wei=settings.fee_ceiling_wei,
            stuck_seconds=settings.stuck_seconds,
            balance_floor_wei=settings.balance_floor_wei,
        ),
        settling=Settling(database=database, clock=clock, chain=chain, confirmations=settings.confirmations),
        rechecking=Rechecking(database=database, clock=clock, chain=chain, confirmations=settings.confirmations),
        filling=Filling(
            database=database,
            clock=clock,
            chain=chain,
            confirmations=settings.confirmations,
            fee_ceiling_wei=settings.fee_ceiling_wei,
            stuck_seconds=settings.stuck_seconds,
        ),
        observing=Observing(database=database, clock=clock, chain=chain),
        poll_seconds=settings.poll_seconds,
        on_outcome=on_outcome,
    )


async def serve(settings: WorkerSettings, stop: asyncio.Event) -> None:
    """Do each job while this process has the right to it, stand by while another has, until `stop` is set."""
    async with open_worker(settings) as lines, asyncio.TaskGroup() as group:
        wakes = [line.wake for line in lines if line.key != OUTCOMES]
        for line in lines:
            group.create_task(_stand_by(settings, line, wakes=wakes, stop=stop))


async def _stand_by(
    settings: WorkerSettings, line: Line, *, wakes: Sequence[asyncio.Event], stop: asyncio.Event
) -> None:
    while not stop.is_set():
        async with ownership(dsn(settings), line.key) as lost:
            if lost is not None:
                _log.info("owner", of=line.name)
                await _work(settings, line, wakes=wakes, stop=stop, lost=lost)
                metrics.forget(line.name)
        await first_of(stop.wait, seconds=_STANDBY_SECONDS)


async def _work(
    settings: WorkerSettings,
    line: Line,
    *,
    wakes: Sequence[asyncio.Event],
    stop: asyncio.Event,
    lost: asyncio.Event,
) -> None:
    async def nudged(_key: str) -> None:
        for wake in wakes:
            wake.set()

    end = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(repeat(line.job.look, wake=line.wake, stop=end))
        # A nudge goes to one listener, so the one who writes to the default chain is it.
        if line.listens:
            group.create_task(
                run_worker(
                    url=settings.queue_url,
                    name=QUEUE_NAME,
                    jobs={JOB: nudged},
                    max_jobs=10,
                    job_timeout_seconds=10,
                    stop=end,
                )
            )
        await first_of(stop.wait, lost.wait)
        end.set()
