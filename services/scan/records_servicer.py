"""What other services ask about recorded scans: one method per RPC."""

from collections.abc import AsyncIterator

from services.common.paging import page_size
from services.common.rpc.call import Call
from services.scan import records_convert as convert
from services.scan.operations.records import Records
from voketag.scan.v1 import history_pb2


class ScanHistoryServicer:
    """voketag.scan.v1.ScanHistoryService."""

    def __init__(self, *, records: Records) -> None:
        self._records = records

    async def list_scan_records(
        self, request: history_pb2.ListScanRecordsRequest, _call: Call
    ) -> history_pb2.ListScanRecordsResponse:
        """List scans, newest first."""
        return convert.page(
            *await self._records.page(
                convert.scan_filter(request.tenant_id, request.filter),
                behind=convert.position(request.page_token),
                limit=page_size(request.page_size),
            )
        )

    async def stream_scan_records(
        self, request: history_pb2.StreamScanRecordsRequest, _call: Call
    ) -> AsyncIterator[history_pb2.ListScanRecordsResponse]:
        """Send all scans, newest first."""
        async for records in self._records.stream(convert.scan_filter(request.tenant_id, request.filter)):
            yield convert.page(records)

    async def summarize_scans(self, request: history_pb2.SummarizeScansRequest, _call: Call) -> history_pb2.ScanSummary:
        """Sum scans up."""
        return convert.summary(await self._records.summary(lambda clock: convert.summary_request(request, clock)))
