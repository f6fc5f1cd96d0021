"""Makes one request of a webhook: HTTP/1.1 POST, TLS verified, no redirect followed, nothing trusted.

A connection serves one delivery: kept ones would save a handshake, and one that the receiver has just closed would look
like a failure of his. The answer is read for the log alone, at most 64 KiB of it and never unpacked, and its status has
decided already when the body begins; one total time covers all of it, from the name to the last byte.
"""

import asyncio
import ssl
import time
from pathlib import Path
from typing import Self

import aiohttp

from services.common.logs import get_logger
from services.factory.model.webhooks import EXCERPT_CHARACTERS, Answer
from services.factory.webhook_targets import RefusedAddress, Targets

READ_BYTES = 64 * 1024

_log = get_logger(__name__)


class WebhookSender:
    """Sends requests, as many at once as the caller likes. `async with WebhookSender(...) as sender`."""

    def __init__(self, *, targets: Targets, timeout_seconds: float, ca_file: Path | None) -> None:
        """`ca_file` holds authorities to trust beside the usual ones."""
        self._targets = targets
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._trust = ssl.create_default_context()
        if ca_file is not None:
            self._trust.load_verify_locations(ca_file)

    async def __aenter__(self) -> Self:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._targets,
                socket_factory=self._targets.open_socket,
                use_dns_cache=False,
                ssl=self._trust,
                limit=0,  # the worker counts
                force_close=True,
            ),
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # an answer of 64 KiB stays one
            trust_env=False,
            skip_auto_headers=("Accept-Encoding",),
            headers={"user-agent": "VokeTag-Webhooks/1", "content-type": "application/json"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self._session.close()

    async def send(self, url: str, *, headers: dict[str, str], body: bytes) -> Answer:
        """Post a body; whatever goes wrong is in the answer, nothing is raised."""
        began = time.monotonic()
        status, excerpt, error = 0, b"", ""
        try:
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                status = response.status
                error = "redirects are not followed" if 300 <= status < 400 else ""
                async for part in response.content.iter_any():
                    excerpt += part[: READ_BYTES - len(excerpt)]
                    if len(excerpt) >= READ_BYTES:
                        break
        except Exception as failure:
            # After the status only the excerpt is missing; the receiver has answered.
            error = error if status else _words(failure)
        latency = round((time.monotonic() - began) * 1000)
        text = excerpt.decode("utf-8", "replace").replace("\0", "\ufffd")[:EXCERPT_CHARACTERS]
        return Answer(status=status, latency_ms=latency, excerpt=text, error=error)


def _words(failure: Exception) -> str:
    """Return what the tenant reads in the log; it names nothing of ours."""
    cause = failure.os_error if isinstance(failure, aiohttp.ClientConnectorError) else failure
    known: tuple[tuple[type[BaseException], str], ...] = (
        (RefusedAddress, "refused address"),
        (asyncio.TimeoutError, "timed out"),
        (aiohttp.InvalidURL, "the URL cannot be used"),
        (aiohttp.ClientSSLError, "certificate or TLS: the connection is not secure"),
        (ssl.SSLError, "certificate or TLS: the connection is not secure"),
        (aiohttp.ClientConnectorDNSError, "the name does not resolve"),
        (aiohttp.ClientConnectorError, "no connection"),
        (aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
        (aiohttp.ClientOSError, "the connection broke"),
        (aiohttp.ClientError, "the answer is no HTTP"),
    )
    for kind, words in known:
        if isinstance(cause, kind) or isinstance(failure, kind):
            return words
    _log.exception("unexpected error of a webhook's request")
    return "it could not be sent"
