"""Admin's composition root: the only place where its parts meet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from services.admin.operations import Login
from services.admin.servicer import AdminServicer
from services.admin.settings import Settings
from services.common.caller import Caller
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.rpc import interceptors
from services.common.rpc.server import Server
from services.common.tokens import TokenSigner, TokenVerifier
from voketag.admin.v1 import admin_pb2
from voketag.anchor.v1 import anchor_pb2
from voketag.factory.v1 import factory_pb2
from voketag.scan.v1 import scan_pb2

DESCRIPTOR = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
# Operators ask one address what the platform offers, so this server's reflection answers for all four contracts.
_REFLECTED = [
    service.full_name
    for contract in (anchor_pb2, factory_pb2, scan_pb2)
    for service in contract.DESCRIPTOR.services_by_name.values()
]


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[Server]:
    """Start the server; it stops, gracefully, at the end of the block."""
    clock = SystemClock()
    verifier = TokenVerifier(public_keys=settings.token_public_keys, service="admin")

    async def authenticate(credential: str, _client_address: str) -> Caller:
        return verifier.verify(credential)

    async with aclosing(Database.open(settings)) as database:
        signer = TokenSigner(key_file=settings.user_token_key, clock=clock)
        login = Login(database=database, signer=signer, lifetime=settings.access_token_lifetime)
        server = Server(
            settings=settings,
            services={DESCRIPTOR: AdminServicer(login=login)},
            interceptors=interceptors.standard(settings, authenticate=authenticate),
            reflected=_REFLECTED,
        )
        async with server:
            yield server


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    async with open_app(settings):
        await stop.wait()
