"""Factory as an outside party of Anchor: it takes outcomes over gRPC, notes them, and can be away or keep silent."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.empty_pb2 import Empty

from services.common.caller import Caller
from services.common.rpc import interceptors
from services.common.rpc.call import Call
from services.common.rpc.server import Server
from services.common.settings import ServerSettings
from services.common.tokens import TokenVerifier
from voketag.factory.v1 import factory_pb2

_DESCRIPTOR = factory_pb2.DESCRIPTOR.services_by_name["FactoryService"]


class RecordingFactory:
    """A server on one port that starts and stops."""

    def __init__(self, *, port: int, public_keys: Path) -> None:
        self.address = f"127.0.0.1:{port}"
        self.heard: list[factory_pb2.ReportAnchorOutcomeRequest] = []
        self.looks: Callable[[factory_pb2.ReportAnchorOutcomeRequest], None] = lambda _outcome: None
        """What it does when it hears of one, before it answers."""
        self.holds: bool | None = None
        """Its answer never comes; true where it has noted the outcome all the same."""
        self.held = 0
        """How many answers were kept back."""
        self._settings = ServerSettings(
            listen=self.address,
            database_url="postgresql://nobody@127.0.0.1:1/none",
            token_public_keys=public_keys,
            stop_grace_seconds=0,
        )
        self._verifier = TokenVerifier(public_keys=public_keys, service="factory")
        self._server: Server | None = None

    async def start(self) -> None:
        """Come (back)."""
        if self._server is None:
            self._server = Server(
                settings=self._settings,
                services={_DESCRIPTOR: self},
                interceptors=interceptors.standard(self._settings, authenticate=self._authenticate),
            )
            await self._server.__aenter__()

    async def stop(self) -> None:
        """Go away."""
        if self._server is not None:
            await self._server.__aexit__()
            self._server = None

    async def report_anchor_outcome(self, request: factory_pb2.ReportAnchorOutcomeRequest, _call: Call) -> Empty:
        """Note an outcome."""
        if self.holds is False:
            await self._hold()
        self.looks(request)
        self.heard.append(request)
        if self.holds:
            await self._hold()
        return Empty()

    async def _hold(self) -> None:
        self.held += 1
        await asyncio.Event().wait()

    async def _authenticate(self, credential: str, _client_address: str) -> Caller:
        return self._verifier.verify(credential)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Bind every other method of the contract to a refusal: Anchor has no business with them."""
        if method.startswith("_"):
            raise AttributeError(method)

        async def refuse(_request: object, _call: Call) -> None:
            raise AssertionError(f"Anchor called {method}")

        return refuse
