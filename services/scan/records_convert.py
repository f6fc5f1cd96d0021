"""Recorded scans and their summaries in protobuf."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from services.common.clock import Clock
from services.common.errors import InvalidArgument, InvalidPageToken
from services.common.paging import decode_token, encode_token
from services.scan.model import Verdict
from services.scan.records import Interval, Position, ScanFilter, ScanRecord, Summary, SummaryRequest
from voketag.scan.v1 import history_pb2, scan_pb2

_DEFAULT_TOP_UNITS = 10
_MOST_TOP_UNITS = 100


def scan_filter(tenant_id: str, asked: history_pb2.ScanFilter) -> ScanFilter:
    """Return which scans are meant."""
    return ScanFilter(
        tenant_id=UUID(tenant_id),
        batch_id=UUID(asked.batch_id) if asked.batch_id else None,
        product_id=UUID(asked.product_id) if asked.product_id else None,
        country=asked.country or None,
        verdict=Verdict(asked.verdict) if asked.verdict else None,
        since=_moment(asked, "from_time"),
        until=_moment(asked, "to_time"),
        duplicates_only=asked.duplicates_only,
    )


def position(page_token: str) -> Position | None:
    """Return where a page begins, None for the first one."""
    found = decode_token(page_token, str, str)
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(str(found[0]))
        return Position(moment.astimezone(UTC), UUID(str(found[1])))
    except (ValueError, OverflowError) as error:
        raise InvalidPageToken from error


def page(records: Sequence[ScanRecord], more: Position | None = None) -> history_pb2.ListScanRecordsResponse:
    """Return a page of scans."""
    return history_pb2.ListScanRecordsResponse(
        scans=map(_record, records),
        next_page_token=encode_token(more.scanned_at.isoformat(), str(more.verification_id)) if more else "",
    )


def summary_request(asked: history_pb2.SummarizeScansRequest, clock: Clock) -> SummaryRequest:
    """Return what to sum up, as of now; InvalidArgument for a time that makes no sense."""
    return SummaryRequest.of(
        UUID(asked.tenant_id),
        batch_id=UUID(asked.batch_id) if asked.batch_id else None,
        product_id=UUID(asked.product_id) if asked.product_id else None,
        since=_moment(asked, "from_time"),
        until=_moment(asked, "to_time"),
        interval=Interval.HOUR if asked.interval == history_pb2.SUMMARY_INTERVAL_HOUR else Interval.DAY,
        top_units=min(asked.top_units or _DEFAULT_TOP_UNITS, _MOST_TOP_UNITS),
        now=clock.now(),
    )


def summary(made: Summary) -> history_pb2.ScanSummary:
    """Return a summary."""
    return history_pb2.ScanSummary(
        scans=made.scans,
        duplicates=made.duplicates,
        verdicts=[
            history_pb2.VerdictCount(verdict=scan_pb2.Verdict.ValueType(verdict), scans=scans)
            for verdict, scans in sorted(made.verdicts.items())
        ],
        countries=[history_pb2.CountryCount(country=country, scans=scans) for country, scans in made.countries.items()],
        trend=[
            history_pb2.ScanTrend(
                starts_at=_timestamp(point.starts_at),
                scans=point.scans,
                duplicates=point.duplicates,
                suspicious=point.suspicious,
            )
            for point in made.trend
        ],
        top_units=[
            history_pb2.RiskyUnit(
                unit_id=unit.unit_id,
                batch_id=str(unit.batch_id),
                risk_score=unit.risk_score,
                scans=unit.scans,
                last_scan_at=_timestamp(unit.last_scan_at),
            )
            for unit in made.top_units
        ],
        counted_until=_timestamp(made.counted_until) if made.counted_until else None,
    )


def _record(scan: ScanRecord) -> history_pb2.ScanRecord:
    return history_pb2.ScanRecord(
        verification_id=str(scan.verification_id),
        unit_id=scan.unit_id,
        batch_id=str(scan.batch_id),
        product_id=str(scan.product_id),
        scanned_at=_timestamp(scan.scanned_at),
        verdict=scan_pb2.Verdict.ValueType(scan.verdict),
        risk_score=scan.risk_score,
        risk_factors=scan.risk_factors,
        country=scan.country,
        duplicate=scan.duplicate,
        degraded=scan.degraded,
    )


def _moment(message: Any, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    try:
        moment: datetime = getattr(message, field).ToDatetime(tzinfo=UTC)
    except ValueError as error:
        raise InvalidArgument.of(field, "give a time of the years 1 to 9999") from error
    return moment


def _timestamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made
