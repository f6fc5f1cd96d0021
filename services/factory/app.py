"""Factory's composition root: the only place where the server's parts meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from services.common import unit_keys
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.queue import Queue
from services.common.rpc import interceptors
from services.common.rpc.channels import Peer, channel
from services.common.rpc.server import Server
from services.common.statements import StatementKeys
from services.common.tokens import ServiceTokens, TokenSigner, TokenVerifier
from services.factory.authentication import Authenticator
from services.factory.fast_derivation import FastDerivation
from services.factory.hot_state import HotState
from services.factory.idempotency import Writes
from services.factory.model.dead_letters import BATCH_ANCHORING, BATCH_ISSUING, WEBHOOK_DELIVERY
from services.factory.operations.api_keys import ApiKeys
from services.factory.operations.batches import QUEUE_NAME, Batches
from services.factory.operations.dead_letters import DeadLetters
from services.factory.operations.deliveries import Deliveries
from services.factory.operations.imports import Imports
from services.factory.operations.key_check import KeyCheck
from services.factory.operations.products import Products
from services.factory.operations.proofs import Proofs
from services.factory.operations.settings import Settings as TenantSettings
from services.factory.operations.signing_keys import ensure_signing_keys
from services.factory.operations.statements import Statements
from services.factory.operations.unit_events import UnitEvents
from services.factory.operations.unit_states import UnitStates
from services.factory.operations.units import Units
from services.factory.operations.watching import BatchWatch
from services.factory.operations.webhooks import Webhooks
from services.factory.scan_client import ScanHistory
from services.factory.servicer import FactoryServicer
from services.factory.settings import Settings
from services.factory.webhook_secrets import WebhookSecrets
from services.factory.webhook_targets import Targets
from voketag.factory.v1 import factory_pb2

_NAME_THREADS = 8

DESCRIPTOR = factory_pb2.DESCRIPTOR.services_by_name["FactoryService"]


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[Server]:
    """Start the server; it stops, gracefully, at the end of the block."""
    clock = SystemClock()
    keys = unit_keys.load(settings.unit_keys)
    verifier = TokenVerifier(public_keys=settings.token_public_keys, service="factory")
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            aclosing(Database.open(settings, lock_seconds=settings.write_wait_seconds))
        )
        queue = await stack.enter_async_context(aclosing(Queue(url=settings.queue_url, name=QUEUE_NAME)))
        hot_state = await stack.enter_async_context(aclosing(HotState(url=settings.hot_state_url)))
        derivation = await stack.enter_async_context(FastDerivation())
        await ensure_signing_keys(database=database, clock=clock, keys=keys, active=settings.signing_key_id)
        scan_channel = await stack.enter_async_context(channel(settings.scan_address))
        signer = TokenSigner(key_file=settings.service_key, clock=clock)
        key_check = KeyCheck(database=database, clock=clock)
        await stack.enter_async_context(key_check.noting_use(every_seconds=settings.api_key_use_seconds))
        targets = await stack.enter_async_context(
            aclosing(Targets(private=settings.webhook_private_targets, threads=_NAME_THREADS))
        )
        batches = Batches(
            database=database,
            queue=queue,
            signing_key_id=settings.signing_key_id,
            chains=settings.anchor_chains.split(","),
        )
        deliveries = Deliveries(database=database, clock=clock)
        servicer = FactoryServicer(
            writes=Writes(database=database, clock=clock, wait_seconds=settings.write_wait_seconds),
            products=Products(database=database, clock=clock),
            batches=batches,
            imports=Imports(database=database, clock=clock, batches=batches),
            watch=BatchWatch(database=database),
            units=Units(database=database, clock=clock, keys=keys, hot_state=hot_state, derivation=derivation),
            unit_states=UnitStates(database=database, clock=clock, queue=queue),
            api_keys=ApiKeys(database=database, clock=clock),
            proofs=Proofs(database=database, keys=keys),
            settings=TenantSettings(database=database, clock=clock, hot_state=hot_state),
            unit_events=UnitEvents(database=database),
            webhooks=Webhooks(
                database=database, clock=clock, targets=targets, secrets=WebhookSecrets(settings.webhook_keys)
            ),
            deliveries=deliveries,
            dead_letters=DeadLetters(
                database=database,
                clock=clock,
                replays={
                    WEBHOOK_DELIVERY: deliveries.replay,
                    BATCH_ISSUING: batches.replay,
                    BATCH_ANCHORING: batches.replay,
                },
            ),
            scans=ScanHistory(channel=scan_channel, peer=Peer(name="scan", tokens=ServiceTokens(signer))),
            statements=Statements(database=database, clock=clock, keys=StatementKeys(settings.statement_keys)),
        )
        server = Server(
            settings=settings,
            services={DESCRIPTOR: servicer},
            interceptors=interceptors.standard(
                settings, authenticate=Authenticator(key_check=key_check, verifier=verifier)
            ),
        )
        async with server:
            yield server


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    async with open_app(settings):
        await stop.wait()
