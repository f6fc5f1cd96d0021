"""A JSON-RPC node that is a proxy before anvil and can be down, limited, silent about what it takes, or a liar."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, web
from eth_utils.crypto import keccak

Lie = Callable[[list[Any], Any], Any]
"""What the node answers instead, from the request's parameters and the true result."""


class MeddlingNode:
    """Passes questions on to anvil, unless it is told to meddle."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.url = ""
        self.status = 200
        """HTTP status of every answer; anything but 200 comes without asking anvil."""
        self.swallows = False
        """It says that it takes transactions, and passes none on."""
        self.lies: dict[str, Lie] = {}
        """By method."""
        self.refuses: Callable[[str, list[Any]], bool] = lambda _method, _parameters: False
        """Which questions, by method and parameters, it answers as a node does that has not kept that state."""
        self.holds: dict[str, bool] = {}
        """Methods whose answer is kept back; true where the question reaches anvil all the same."""
        self.held = asyncio.Event()
        """An answer is being kept back."""
        self.release = asyncio.Event()
        """Ends that, for all."""
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        question = json.loads(await request.read())
        method, parameters = question["method"], question["params"]
        self.asked.append(method)
        if self.status != 200:
            return web.Response(status=self.status)
        if self.holds.get(method) is False:
            await self._hold()
        if self.swallows and method == "eth_sendRawTransaction":
            raw = bytes.fromhex(parameters[0].removeprefix("0x"))
            return web.json_response({"jsonrpc": "2.0", "id": question["id"], "result": "0x" + keccak(raw).hex()})
        if self.refuses(method, parameters):
            error = {"code": -32000, "message": "missing trie node"}
            return web.json_response({"jsonrpc": "2.0", "id": question["id"], "error": error})
        async with ClientSession() as session, session.post(self.upstream, json=question) as found:
            document = await found.json(content_type=None)
        if self.holds.get(method):
            await self._hold()
        if method in self.lies:
            document["result"] = self.lies[method](parameters, document.get("result"))
        return web.json_response(document)

    async def _hold(self) -> None:
        self.held.set()
        await self.release.wait()


@asynccontextmanager
async def meddling_node(upstream: str) -> AsyncIterator[MeddlingNode]:
    """Serve one on a free port of the loopback."""
    node = MeddlingNode(upstream)
    app = web.Application()
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = node.answer
    app.router.add_post("/", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        node.url = f"http://{host}:{port}/"
        yield node
    finally:
        await asyncio.shield(runner.cleanup())
