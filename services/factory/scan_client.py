"""Scan's recorded scans, asked for over gRPC in the name of one tenant."""

from collections.abc import AsyncIterator

import grpc

from services.common.rpc.channels import Peer
from voketag.scan.v1 import history_pb2, history_pb2_grpc

_SUMMARY_SECONDS = 20


class ScanHistory:
    """The calls that Factory makes. All raise Scan's errors, and Unavailable when it does not answer."""

    def __init__(self, *, channel: grpc.aio.Channel, peer: Peer) -> None:
        self._stub = history_pb2_grpc.ScanHistoryServiceStub(channel)
        self._peer = peer

    async def page(self, request: history_pb2.ListScanRecordsRequest) -> history_pb2.ListScanRecordsResponse:
        """Return a page of scans."""
        return await self._peer.call(self._stub.ListScanRecords, request)

    async def pages(
        self, request: history_pb2.StreamScanRecordsRequest
    ) -> AsyncIterator[history_pb2.ListScanRecordsResponse]:
        """Yield all scans, a page at a time."""
        async for page in self._peer.stream(self._stub.StreamScanRecords, request):
            yield page

    async def summary(self, request: history_pb2.SummarizeScansRequest) -> history_pb2.ScanSummary:
        """Return a summary."""
        return await self._peer.call(self._stub.SummarizeScans, request, timeout_seconds=_SUMMARY_SECONDS)
