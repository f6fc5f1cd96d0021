"""Where webhooks may go: names are resolved here, and every address is looked at before it is used.

It is looked at twice: when an endpoint is registered, so that the tenant hears at once, and when a delivery connects,
by aiohttp's resolver and once more where the socket is made. The second is what protects us: a name may lead elsewhere
by then (DNS rebinding), and between that check and the connection there is no further look-up. A host that is an
address itself is never resolved; the socket's check covers it.

Names are resolved with getaddrinfo in threads of our own, as many as deliveries may run at once: in asyncio's shared
pool of a few threads, some names whose servers do not answer would hold up everybody's.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from services.common.errors import WebhookTargetRefused
from services.factory.model.addresses import is_public
from services.factory.model.webhooks import host_of

_RESOLVE_SECONDS = 3.0

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
Lookup = Callable[..., list[AddressInfo]]
"""`socket.getaddrinfo`, or what a test has in its place."""


class RefusedAddress(OSError):
    """An address that webhooks may not go to."""


class Targets(AbstractResolver):
    """Resolves names to addresses that may be used. `private` lets every address through, for local stacks alone."""

    def __init__(self, *, private: bool, threads: int, lookup: Any = socket.getaddrinfo) -> None:
        self._private = private
        self._lookup: Lookup = lookup
        self._threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="webhook-names")

    async def check(self, url: str) -> None:
        """Return when a URL may be registered; WebhookTargetRefused says what is wrong with it."""
        host, port = host_of(url, plain_http=self._private)
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                await self.resolve(host, port)
        except RefusedAddress as error:
            raise WebhookTargetRefused("its address is not public") from error
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            raise WebhookTargetRefused("its name does not resolve") from error

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name. RefusedAddress when one of them may not be used: then none is."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: self._lookup(host, port, family=family, type=socket.SOCK_STREAM)
        )
        for _, _, _, _, address in found:
            self._admit(str(address[0]))
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    def open_socket(self, info: Any) -> socket.socket:
        """Make the socket that connects to an address of getaddrinfo's form; RefusedAddress."""
        family, kind, protocol, _, address = info
        self._admit(str(address[0]))
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Take no further names; a look-up that hangs is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def aclose(self) -> None:
        """Close, in asyncio's name for it."""
        await self.close()

    def _admit(self, address: str) -> None:
        if not self._private and not is_public(address):
            raise RefusedAddress("refused address")
