"""Anchor's composition root: the only place where the server's parts meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from services.anchor.model import DRY
from services.anchor.opening import open_reader
from services.anchor.operations.anchors import QUEUE_NAME, Anchors
from services.anchor.operations.status import Status
from services.anchor.operations.verification import Registry, Verification
from services.anchor.servicer import AnchorServicer
from services.anchor.settings import Settings
from services.common.caller import Caller
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.queue import Queue
from services.common.rpc import interceptors
from services.common.rpc.address_limit import AddressLimit
from services.common.rpc.server import Server
from services.common.tokens import TokenVerifier
from voketag.anchor.v1 import anchor_pb2

DESCRIPTOR = anchor_pb2.DESCRIPTOR.services_by_name["AnchorService"]
ASKS_THE_CHAIN = [
    f"{DESCRIPTOR.full_name}/{name}" for name in ("VerifyBatch", "VerifyProof", "VerifyTransaction", "GetChainStatus")
]
"""Methods that anybody may call and that cost requests to a provider who counts them."""


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[Server]:
    """Start the server; it stops, gracefully, at the end of the block. It starts without the chain, too."""
    verifier = TokenVerifier(public_keys=settings.token_public_keys, service="anchor")

    async def authenticate(credential: str, _client_address: str) -> Caller:
        return verifier.verify(credential)

    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(aclosing(Database.open(settings)))
        queue = await stack.enter_async_context(aclosing(Queue(url=settings.queue_url, name=QUEUE_NAME)))
        clock = SystemClock()
        told = settings.chains()
        registries = {
            one.chain_name: Registry(
                chain=await stack.enter_async_context(aclosing(await open_reader(one, clock=clock))),
                confirmations=one.confirmations,
            )
            for one in told
            if one.chain_name != DRY
        }
        ids = {one.chain_name: one.chain_id for one in told}
        anchors = Anchors(database=database, clock=clock, queue=queue, chains=ids)
        servicer = AnchorServicer(
            anchors=anchors,
            verification=Verification(
                anchors=anchors,
                database=database,
                clock=clock,
                registries=registries,
                keep_seconds=settings.verify_keep_seconds,
            ),
            status=Status(
                database=database, clock=clock, registries=registries, keep_seconds=settings.verify_keep_seconds
            ),
        )
        server = Server(
            settings=settings,
            services={DESCRIPTOR: servicer},
            interceptors=[
                *interceptors.standard(settings, authenticate=authenticate),
                # After authentication, which costs nothing here: these methods are public.
                AddressLimit(ASKS_THE_CHAIN, per_minute=settings.verify_per_minute),
            ],
        )
        async with server:
            yield server


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    async with open_app(settings):
        await stop.wait()
