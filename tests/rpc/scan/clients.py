"""Calling Scan as the edge does, over either transport: one consumer's device, address and language on every call."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import grpc
from google.api import httpbody_pb2

from services.common.rpc.methods import methods_of
from tests.rpc import second_door
from voketag.scan.v1 import scan_pb2, scan_pb2_grpc

_METHODS = {
    method.name.rpartition("/")[2]: method for method in methods_of(scan_pb2.DESCRIPTOR.services_by_name["ScanService"])
}
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile Safari/604.1"
TRANSPORTS = ("grpc.aio", "http/1.1")


@dataclass(frozen=True)
class Consumer:
    """A person with a phone; `consumer.using(...)` is the same person with something changed."""

    server: str
    second_door: int = 0
    """The port of the server's second door, over which all calls go then."""
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
        return await self._told("OpenScanPage", scan_pb2.OpenScanPageRequest(code=code))

    async def receipt(self, code: str) -> Any:
        """Ask for the receipt of a code."""
        return await self._call("GetReceipt", scan_pb2.GetReceiptRequest(code=code))

    async def ready(self) -> scan_pb2.ReadyResponse:
        """Ask whether the server is ready."""
        return await self._call("Ready", scan_pb2.ReadyRequest())

    async def ready_within(self, seconds: float) -> None:
        """Wait until the server is ready."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                await self.ready()
                return
            except grpc.aio.AioRpcError:
                assert time.monotonic() < deadline, f"not ready within {seconds} s"
                await asyncio.sleep(0.1)

    async def health(self) -> scan_pb2.HealthResponse:
        """Ask whether the server is up."""
        return await self._call("Health", scan_pb2.HealthRequest())

    async def told(self, code: str) -> dict[str, str]:
        """Scan a code, and return what the caller is told beside the answer or the refusal."""
        return await self._told("Scan", scan_pb2.ScanRequest(code=code))

    async def _told(self, name: str, request: Any) -> dict[str, str]:
        if self.second_door:
            body = second_door.frame(request.SerializeToString())
            raw = second_door.request(f"/{_METHODS[name].name}", body, self._headers())
            return (await second_door.ask(self.second_door, raw)).headers
        async with self._channel() as channel:
            call = getattr(scan_pb2_grpc.ScanServiceStub(channel), name)(request, metadata=self._metadata(), timeout=10)
            with suppress(grpc.aio.AioRpcError):
                await call
            return {key: value for key, value in await call.trailing_metadata() if isinstance(value, str)}

    async def _call(self, name: str, request: Any) -> Any:
        if self.second_door:
            method = _METHODS[name]
            return await second_door.call(self.second_door, method.name, request, method.response, self._headers())
        async with self._channel() as channel:
            call = getattr(scan_pb2_grpc.ScanServiceStub(channel), name)
            return await call(request, metadata=self._metadata(), timeout=10)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        credential = (("authorization", f"Bearer {self.credential}"),) if self.credential else ()
        return ("accept-language", self.language), ("x-client-address", self.address), *credential

    def _headers(self) -> dict[str, str]:
        return {"user-agent": self.user_agent, **dict(self._metadata())}

    def _channel(self) -> grpc.aio.Channel:
        # The user agent belongs to the channel in gRPC, and the library's own name follows it.
        return grpc.aio.insecure_channel(self.server, options=[("grpc.primary_user_agent", self.user_agent)])
