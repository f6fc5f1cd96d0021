"""Calling Scan as the edge does: one consumer's device, address and language on every call."""

from dataclasses import dataclass, replace
from typing import Any

import grpc
from google.api import httpbody_pb2

from voketag.scan.v1 import scan_pb2, scan_pb2_grpc

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile Safari/604.1"


@dataclass(frozen=True)
class Consumer:
    """A person with a phone; `consumer.using(...)` is the same person with something changed."""

    server: str
    user_agent: str = PHONE
    address: str = "198.51.100.7"
    language: str = "en"
    credential: str = ""

    def using(self, **changes: Any) -> "Consumer":
        """Return a consumer that differs in what is given."""
        return replace(self, **changes)

    async def scan(self, code: str, *, signed: bool = False) -> scan_pb2.ScanResponse:
        """Scan a code."""
        return await self._call("Scan", scan_pb2.ScanRequest(code=code, signed=signed))

    async def report(self, **report: Any) -> scan_pb2.ReportFraudResponse:
        """Report an item."""
        return await self._call("ReportFraud", scan_pb2.ReportFraudRequest(**report))

    async def send_form(self, code: str, body: bytes, content_type: str = "application/x-www-form-urlencoded") -> str:
        """Send the page's form."""
        form = httpbody_pb2.HttpBody(content_type=content_type, data=body)
        answer = await self._call("SubmitReportForm", scan_pb2.SubmitReportFormRequest(code=code, form=form))
        return answer.data.decode()

    async def jwks(self) -> Any:
        """Ask for the keys that sign verdicts."""
        return await self._call("GetJwks", scan_pb2.GetJwksRequest())

    async def page(self, code: str) -> str:
        """Open the page of a code."""
        body = await self._call("OpenScanPage", scan_pb2.OpenScanPageRequest(code=code))
        assert body.content_type == "text/html; charset=utf-8"
        return body.data.decode()

    async def page_metadata(self, code: str) -> dict[str, str]:
        """Open the page of a code, and return what goes with it."""
        async with grpc.aio.insecure_channel(self.server) as channel:
            call = scan_pb2_grpc.ScanServiceStub(channel).OpenScanPage(
                scan_pb2.OpenScanPageRequest(code=code), metadata=(("x-client-address", self.address),), timeout=10
            )
            await call
            return {key: value for key, value in await call.trailing_metadata() if isinstance(value, str)}

    async def receipt(self, code: str) -> Any:
        """Ask for the receipt of a code."""
        return await self._call("GetReceipt", scan_pb2.GetReceiptRequest(code=code))

    async def ready(self) -> scan_pb2.ReadyResponse:
        """Ask whether the server is ready."""
        return await self._call("Ready", scan_pb2.ReadyRequest())

    async def health(self) -> scan_pb2.HealthResponse:
        """Ask whether the server is up."""
        return await self._call("Health", scan_pb2.HealthRequest())

    async def _call(self, method: str, request: Any) -> Any:
        metadata: tuple[tuple[str, str], ...] = (
            ("accept-language", self.language),
            ("x-client-address", self.address),
        )
        if self.credential:
            metadata += (("authorization", f"Bearer {self.credential}"),)
        # The user agent belongs to the channel in gRPC, and the library's own name follows it.
        options = [("grpc.primary_user_agent", self.user_agent)]
        async with grpc.aio.insecure_channel(self.server, options=options) as channel:
            call = getattr(scan_pb2_grpc.ScanServiceStub(channel), method)
            return await call(request, metadata=metadata, timeout=10)
