"""The asynchronous client."""

from os import PathLike
from pathlib import Path
from typing import Self

from voketag.scan.v1 import scan_pb2
from voketag_kernel.receipts import Receipt
from voketag_sdk import _convert
from voketag_sdk._api_keys import AsyncApiKeys
from voketag_sdk._batches import AsyncBatches
from voketag_sdk._dead_letters import AsyncDeadLetters
from voketag_sdk._products import AsyncProducts
from voketag_sdk._scans import AsyncScans
from voketag_sdk._settings import AsyncSettings
from voketag_sdk._transport import Transport
from voketag_sdk._units import AsyncUnits
from voketag_sdk._webhooks import AsyncWebhooks
from voketag_sdk.models import ScanResult
from voketag_sdk.receipts import parse_receipt
from voketag_sdk.retry import RetryPolicy

DEFAULT_TIMEOUT_SECONDS = 30.0


class AsyncClient:
    """The platform, for one event loop.

    async with AsyncClient("https://api.example.com", api_key=key) as voketag:
        product = await voketag.products.create(sku="AURORA-01", name="Aurora serum")
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        access_token: str | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,
        retry: RetryPolicy | None = None,
        ca_file: str | PathLike[str] | None = None,
    ) -> None:
        """Remember where the platform is; nothing connects before the first call.

        `url` is the edge's address, `https://host` or `http://host:port`. Scans and receipts need no credentials,
        everything else an API key or an access token. `timeout` is in seconds, for each call with its retries, where a
        call names no other. `ca_file` is a PEM file of the authorities to trust instead of the usual ones.
        """
        if api_key and access_token:
            raise ValueError("give an api_key or an access_token, not both")
        self._transport = Transport(
            url=url,
            credential=api_key or access_token,
            timeout=timeout,
            retry=retry or RetryPolicy(),
            ca_file=Path(ca_file) if ca_file else None,
        )
        self.products = AsyncProducts(self._transport)
        self.settings = AsyncSettings(self._transport)
        self.batches = AsyncBatches(self._transport)
        self.units = AsyncUnits(self._transport)
        self.scans = AsyncScans(self._transport)
        self.api_keys = AsyncApiKeys(self._transport)
        self.webhooks = AsyncWebhooks(self._transport)
        self.dead_letters = AsyncDeadLetters(self._transport)

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        await self._transport.close()

    async def scan(
        self,
        code: str,
        *,
        screen_resolution: str = "",
        timezone: str = "",
        signed: bool = False,
        timeout: float | None = None,
    ) -> ScanResult:
        """Scan a code, as a consumer's device does: it counts. MalformedCode, UnknownCode.

        The one call that is not idempotent: when the connection breaks before the answer, the scan may have been
        recorded, so Unavailable is raised instead of scanning twice.
        """
        device = scan_pb2.Device(screen_resolution=screen_resolution, timezone=timezone)
        request = scan_pb2.ScanRequest(code=code, device=device, signed=signed)
        return _convert.scan_result(
            await self._transport.call(self._transport.scan.Scan, request, timeout=timeout, idempotent=False)
        )

    async def receipt(self, code: str, *, timeout: float | None = None) -> Receipt:
        """Return the receipt of a unit; not a scan. ReceiptNotReady, UnknownCode. See `verify_receipt`."""
        request = scan_pb2.GetReceiptRequest(code=code)
        body = await self._transport.call(self._transport.scan.GetReceipt, request, timeout=timeout)
        return parse_receipt(body.data)
