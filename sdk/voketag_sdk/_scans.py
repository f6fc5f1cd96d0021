"""Consumers' scans of the tenant's units: lists, exports, summaries."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from voketag.factory.v1 import scans_pb2
from voketag.scan.v1 import history_pb2, scan_pb2
from voketag_sdk import _convert
from voketag_sdk._items import AsyncItems
from voketag_sdk._transport import Transport
from voketag_sdk.models import ScanRecord, ScanSummary, Verdict

_INTERVALS = {"hour": history_pb2.SUMMARY_INTERVAL_HOUR, "day": history_pb2.SUMMARY_INTERVAL_DAY}


class AsyncScans:
    """Consumers' scans of the tenant's units. Times need a time zone; `from_time` is included, `to_time` is not."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        batch_id: str = "",
        product_id: str = "",
        country: str = "",
        verdict: Verdict | None = None,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        duplicates_only: bool = False,
        page_size: int = 0,
    ) -> AsyncItems[ScanRecord]:
        """List scans, newest first, of what is given; pages are fetched as they are needed."""

        async def pages() -> AsyncGenerator[Sequence[ScanRecord]]:
            request = scans_pb2.ListScansRequest(
                batch_id=batch_id,
                product_id=product_id,
                country=country,
                verdict=_number(verdict),
                duplicates_only=duplicates_only,
                page_size=page_size,
            )
            _set_times(request, from_time, to_time)
            while True:
                page = await self._transport.call(self._transport.factory.ListScans, request)
                yield [_convert.scan_record(each) for each in page.scans]
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token

        return AsyncItems(pages)

    async def export(
        self,
        path: str | PathLike[str],
        *,
        batch_id: str = "",
        product_id: str = "",
        country: str = "",
        verdict: Verdict | None = None,
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        duplicates_only: bool = False,
    ) -> None:
        """Write scans as CSV (UTF-8, CRLF), newest first. The file appears whole or not at all; a broken stream is an
        error, after which the export can be made again.
        """
        request = scans_pb2.ExportScansRequest(
            batch_id=batch_id,
            product_id=product_id,
            country=country,
            verdict=_number(verdict),
            duplicates_only=duplicates_only,
        )
        _set_times(request, from_time, to_time)
        target = Path(path)
        part = target.with_name(f".{target.name}.{uuid4().hex}.part")
        try:
            with part.open("xb") as file:
                stream = self._transport.messages(self._transport.factory.ExportScans, lambda: request, attempts=1)
                async with aclosing(stream):
                    async for chunk in stream:
                        file.write(chunk.data)
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    async def analytics(
        self,
        *,
        batch_id: str = "",
        product_id: str = "",
        from_time: datetime | None = None,
        to_time: datetime | None = None,
        interval: Literal["day", "hour"] = "day",
        top_units: int = 0,
        timeout: float | None = None,
    ) -> ScanSummary:
        """Sum scans up, over the last 30 days unless times are given. Hours go back 31 days. InvalidArgument."""
        request = scans_pb2.GetAnalyticsRequest(
            batch_id=batch_id, product_id=product_id, interval=_INTERVALS[interval], top_units=top_units
        )
        _set_times(request, from_time, to_time)
        return _convert.scan_summary(
            await self._transport.call(self._transport.factory.GetAnalytics, request, timeout=timeout)
        )


def _number(verdict: Verdict | None) -> Any:
    return 0 if verdict is None else _convert.number_of(verdict, scan_pb2.Verdict.DESCRIPTOR)


def _set_times(request: Any, from_time: datetime | None, to_time: datetime | None) -> None:
    for name, moment in (("from_time", from_time), ("to_time", to_time)):
        if moment is not None:
            if moment.tzinfo is None:
                raise ValueError(f"{name} needs a time zone, such as datetime.UTC")
            getattr(request, name).FromDatetime(moment)
