"""Consumers' scans of the tenant's units. Scan has them; Factory says whose they are and asks."""

from collections.abc import AsyncIterator

from google.api import httpbody_pb2

from services.common.rpc.call import Call
from services.factory.convert import scans as convert
from services.factory.scan_client import ScanHistory
from voketag.factory.v1 import scans_pb2
from voketag.scan.v1 import history_pb2


class ScanMethods:
    """The methods on scans."""

    _scans: ScanHistory

    async def list_scans(self, request: scans_pb2.ListScansRequest, call: Call) -> scans_pb2.ListScansResponse:
        """List scans, newest first."""
        return convert.list_response(await self._scans.page(convert.list_request(request, call.caller.tenant)))

    async def export_scans(
        self, request: scans_pb2.ExportScansRequest, call: Call
    ) -> AsyncIterator[httpbody_pb2.HttpBody]:
        """Send scans as CSV."""
        pages = self._scans.pages(convert.stream_request(request, call.caller.tenant))
        yield convert.header()
        async for page in pages:
            yield convert.rows(page.scans)

    async def get_analytics(self, request: scans_pb2.GetAnalyticsRequest, call: Call) -> history_pb2.ScanSummary:
        """Sum scans up."""
        return await self._scans.summary(convert.summary_request(request, call.caller.tenant))
