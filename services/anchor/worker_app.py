"""The worker's composition root: the only place where its parts meet.

Any number of workers may run; one works and the others stand by. The loops do not depend on the queue: its nudges only
save the waiting, and time alone brings everything forward while it is away.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

from services.anchor.chain import EvmChain
from services.anchor.factory import FactoryClient
from services.anchor.failover import NodesChain
from services.anchor.jobs import Reporter, Writer, first_of, repeat
from services.anchor.node import open_rpc
from services.anchor.operations.anchors import JOB, QUEUE_NAME
from services.anchor.operations.collecting import Collecting
from services.anchor.operations.filling import Filling
from services.anchor.operations.guarding import Guarding
from services.anchor.operations.observing import Observing
from services.anchor.operations.rechecking import Rechecking
from services.anchor.operations.reporting import Reporting
from services.anchor.operations.sending import Sending
from services.anchor.operations.settling import Settling
from services.anchor.settings import WorkerSettings
from services.anchor.signers import open_signer
from services.anchor.storage.ownership import nonce_ownership
from services.common.clock import SystemClock
from services.common.database import Database, dsn
from services.common.logs import get_logger
from services.common.queue import run_worker
from services.common.rpc.channels import Peer, channel
from services.common.tokens import ServiceTokens, TokenSigner

_STANDBY_SECONDS = 2

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Worker:
    """The jobs, and what wakes each."""

    writer: Writer
    write_now: asyncio.Event
    reporter: Reporter
    report_now: asyncio.Event


@asynccontextmanager
async def open_worker(settings: WorkerSettings) -> AsyncIterator[Worker]:
    """Make the jobs; nothing runs yet."""
    clock = SystemClock()
    signer = open_signer(settings, local=settings.environment == "local")
    write_now, report_now = asyncio.Event(), asyncio.Event()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(aclosing(Database.open(settings)))
        chain = NodesChain(
            [
                EvmChain(
                    rpc=await open_rpc(url),
                    chain_id=settings.chain_id,
                    fee_ceiling_wei=settings.fee_ceiling_wei,
                    contract_address=settings.contract_address,
                    genesis_hash=settings.genesis_hash,
                    signer=signer,
                )
                for url in settings.chain_rpc_urls
            ],
            clock=clock,
        )
        await stack.enter_async_context(aclosing(chain))
        tokens = ServiceTokens(TokenSigner(key_file=settings.service_key, clock=clock))
        to_factory = await stack.enter_async_context(channel(settings.factory_address))
        yield Worker(
            writer=Writer(
                guarding=Guarding(
                    database=database, clock=clock, chain=chain, genesis_pinned=bool(settings.genesis_hash)
                ),
                collecting=Collecting(
                    database=database,
                    clock=clock,
                    chain_id=chain.chain_id,
                    max_roots=settings.max_roots_per_transaction,
                    max_bytes=settings.max_bytes_per_transaction,
                    aggregation_seconds=settings.aggregation_seconds,
                ),
                sending=Sending(
                    database=database,
                    clock=clock,
                    chain=chain,
                    fee_ceiling_wei=settings.fee_ceiling_wei,
                    stuck_seconds=settings.stuck_seconds,
                    balance_floor_wei=settings.balance_floor_wei,
                ),
                settling=Settling(database=database, clock=clock, chain=chain, confirmations=settings.confirmations),
                rechecking=Rechecking(
                    database=database, clock=clock, chain=chain, confirmations=settings.confirmations
                ),
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
                on_outcome=report_now.set,
            ),
            write_now=write_now,
            reporter=Reporter(
                reporting=Reporting(
                    database=database,
                    clock=clock,
                    factory=FactoryClient(channel=to_factory, peer=Peer(name="factory", tokens=tokens)),
                ),
                poll_seconds=settings.poll_seconds,
            ),
            report_now=report_now,
        )


async def serve(settings: WorkerSettings, stop: asyncio.Event) -> None:
    """Work while this process is the owner of the nonce, stand by while another is, until `stop` is set."""
    async with open_worker(settings) as worker:
        while not stop.is_set():
            async with nonce_ownership(dsn(settings)) as lost:
                if lost is not None:
                    _log.info("owner of the nonce")
                    await _work(settings, worker, stop=stop, lost=lost)
            await first_of(stop.wait, seconds=_STANDBY_SECONDS)


async def _work(settings: WorkerSettings, worker: Worker, *, stop: asyncio.Event, lost: asyncio.Event) -> None:
    async def nudged(_key: str) -> None:
        worker.write_now.set()

    end = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(repeat(worker.writer, wake=worker.write_now, stop=end))
        group.create_task(repeat(worker.reporter, wake=worker.report_now, stop=end))
        group.create_task(
            run_worker(
                url=settings.queue_url,
                name=QUEUE_NAME,
                jobs={JOB: nudged},
                periodic=[],
                max_jobs=10,
                job_timeout_seconds=10,
                stop=end,
            )
        )
        await first_of(stop.wait, lost.wait)
        end.set()
