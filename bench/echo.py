"""The yardstick of `scan_edge`: a server that does nothing, made by the builder and the interceptors of every service.

It answers `ScanService.Health` and no other method, so it needs no contract of its own and is reached through the edge
by the same way as a scan.
"""

import asyncio
from functools import partial
from typing import Any

from google.protobuf.message import Message

from services.common.caller import Caller
from services.common.errors import Unauthenticated
from services.common.process import run
from services.common.rpc import interceptors
from services.common.rpc.call import Call
from services.common.rpc.server import Server
from services.common.settings import ServerSettings
from voketag.scan.v1 import scan_pb2


class Echo:
    """ScanService, of which only Health answers."""

    async def health(self, _request: scan_pb2.HealthRequest, _call: Call) -> scan_pb2.HealthResponse:
        """Answer at once."""
        return scan_pb2.HealthResponse(status="ok")

    async def _refuse(self, _request: Message, _call: Call) -> Message:
        raise NotImplementedError("the echo answers Health alone")

    def __getattr__(self, _name: str) -> Any:
        return self._refuse


async def _authenticate(_credential: str, _client_address: str) -> Caller:
    raise Unauthenticated


async def serve(settings: ServerSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set."""
    server = Server(
        settings=settings,
        services={scan_pb2.DESCRIPTOR.services_by_name["ScanService"]: Echo()},
        interceptors=interceptors.standard(settings, authenticate=_authenticate),
    )
    async with server:
        await stop.wait()


if __name__ == "__main__":
    settings = ServerSettings()
    run("echo", settings, partial(serve, settings))
