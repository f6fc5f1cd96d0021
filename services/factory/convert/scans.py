"""A tenant's questions about scans as Scan takes them, and scans as CSV.

Scan owns scans and their messages; Factory adds whose they are, which is what the caller's credentials say.
"""

import csv
from collections.abc import Iterable
from io import StringIO
from uuid import UUID

from google.api import httpbody_pb2

from voketag.factory.v1 import scans_pb2
from voketag.scan.v1 import history_pb2, scan_pb2

_HEADER = (
    "verification_id",
    "scanned_at",
    "unit_id",
    "batch_id",
    "product_id",
    "verdict",
    "risk_score",
    "risk_factors",
    "country",
    "duplicate",
    "degraded",
)


def list_request(request: scans_pb2.ListScansRequest, tenant_id: UUID) -> history_pb2.ListScanRecordsRequest:
    """Return the question for a page."""
    return history_pb2.ListScanRecordsRequest(
        tenant_id=str(tenant_id),
        filter=_filter(request),
        page_size=request.page_size,
        page_token=request.page_token,
    )


def list_response(found: history_pb2.ListScanRecordsResponse) -> scans_pb2.ListScansResponse:
    """Return a page of scans."""
    return scans_pb2.ListScansResponse(scans=found.scans, next_page_token=found.next_page_token)


def stream_request(request: scans_pb2.ExportScansRequest, tenant_id: UUID) -> history_pb2.StreamScanRecordsRequest:
    """Return the question for all scans."""
    return history_pb2.StreamScanRecordsRequest(tenant_id=str(tenant_id), filter=_filter(request))


def summary_request(request: scans_pb2.GetAnalyticsRequest, tenant_id: UUID) -> history_pb2.SummarizeScansRequest:
    """Return the question for a summary."""
    asked = history_pb2.SummarizeScansRequest(
        tenant_id=str(tenant_id),
        batch_id=request.batch_id,
        product_id=request.product_id,
        interval=request.interval,
        top_units=request.top_units,
    )
    if request.HasField("from_time"):
        asked.from_time.CopyFrom(request.from_time)
    if request.HasField("to_time"):
        asked.to_time.CopyFrom(request.to_time)
    return asked


def header() -> httpbody_pb2.HttpBody:
    """Return the first line."""
    return _body([_HEADER])


def rows(scans: Iterable[history_pb2.ScanRecord]) -> httpbody_pb2.HttpBody:
    """Return scans as rows of CSV (RFC 4180). No cell has a text of anybody's, so none can be a formula."""
    return _body(
        (
            scan.verification_id,
            scan.scanned_at.ToJsonString(),
            scan.unit_id,
            scan.batch_id,
            scan.product_id,
            scan_pb2.Verdict.Name(scan.verdict).removeprefix("VERDICT_"),
            scan.risk_score,
            " ".join(scan.risk_factors),
            scan.country,
            str(scan.duplicate).lower(),
            str(scan.degraded).lower(),
        )
        for scan in scans
    )


def _body(lines: Iterable[Iterable[object]]) -> httpbody_pb2.HttpBody:
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(lines)
    return httpbody_pb2.HttpBody(content_type="text/csv; charset=utf-8", data=text.getvalue().encode())


def _filter(request: scans_pb2.ListScansRequest | scans_pb2.ExportScansRequest) -> history_pb2.ScanFilter:
    asked = history_pb2.ScanFilter(
        batch_id=request.batch_id,
        product_id=request.product_id,
        country=request.country,
        verdict=request.verdict,
        duplicates_only=request.duplicates_only,
    )
    if request.HasField("from_time"):
        asked.from_time.CopyFrom(request.from_time)
    if request.HasField("to_time"):
        asked.to_time.CopyFrom(request.to_time)
    return asked
