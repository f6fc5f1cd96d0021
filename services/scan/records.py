"""Recorded scans as their tenants ask about them: which, how many a page, and summed up. Pure; stdlib only."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import NamedTuple
from uuid import UUID

from services.common.errors import InvalidArgument
from services.scan.model import Verdict

HOURS_KEPT = timedelta(days=31)
"""How far back summaries by the hour go; days are kept for good."""
_DEFAULT_PERIOD = timedelta(days=30)
_MOST_POINTS = 5_000
_BEGINNING, _FOREVER = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
_MINUTE, _TICK = timedelta(minutes=1), timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ScanFilter:
    """Which scans of a tenant; None means all. `until` is exclusive."""

    tenant_id: UUID
    batch_id: UUID | None = None
    product_id: UUID | None = None
    country: str | None = None
    verdict: Verdict | None = None
    since: datetime | None = None
    until: datetime | None = None
    duplicates_only: bool = False

    def span(self, behind: "Position | None") -> "Span":
        """Return the span that the filter allows, up to a position where one is given."""
        until = self.until or _FOREVER
        if behind is not None and behind.scanned_at < until:
            until = behind.scanned_at + _TICK
        return Span(self.since or _BEGINNING, until)


class Position(NamedTuple):
    """A scan's place in a list: lists go from the newest to the oldest."""

    scanned_at: datetime
    verification_id: UUID


class Span(NamedTuple):
    """A span of time; `until` is exclusive."""

    since: datetime
    until: datetime


def spans_of(starts_at: datetime, minutes: str, allowed: Span) -> Iterator[Span]:
    """Yield the spans of a day's minutes that are marked with a 1, newest first, as far as they are allowed."""
    for run in reversed(list(re.finditer("1+", minutes))):
        since = max(starts_at + run.start() * _MINUTE, allowed.since)
        until = min(starts_at + run.end() * _MINUTE, allowed.until)
        if since < until:
            yield Span(since, until)


class ScanRecord(NamedTuple):
    """A recorded scan without what names a device, in the order of the query's columns."""

    verification_id: UUID
    scanned_at: datetime
    unit_id: int
    batch_id: UUID
    product_id: UUID
    verdict: int
    risk_score: int
    risk_factors: Sequence[str]
    country: str
    duplicate: bool
    degraded: bool

    @property
    def position(self) -> Position:
        """Where the list goes on behind this scan."""
        return Position(self.scanned_at, self.verification_id)


class Interval(Enum):
    """The length of a point in time of a summary; the values are what PostgreSQL's date_trunc takes."""

    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        """The length."""
        return timedelta(hours=1) if self is Interval.HOUR else timedelta(days=1)

    def beginning(self, moment: datetime) -> datetime:
        """Return the beginning (UTC) of the hour or day of a moment in UTC."""
        hour = moment.replace(minute=0, second=0, microsecond=0)
        return hour if self is Interval.HOUR else hour.replace(hour=0)


@dataclass(frozen=True, slots=True)
class SummaryRequest:
    """What to sum up: whole hours or days, from the one at `since` up to the one before `until`."""

    tenant_id: UUID
    batch_id: UUID | None
    product_id: UUID | None
    since: datetime
    until: datetime
    interval: Interval
    top_units: int

    @classmethod
    def of(
        cls,
        tenant_id: UUID,
        *,
        batch_id: UUID | None,
        product_id: UUID | None,
        since: datetime | None,
        until: datetime | None,
        interval: Interval,
        top_units: int,
        now: datetime,
    ) -> "SummaryRequest":
        """Make a request; InvalidArgument for a time that ends before it begins, or is too long for its interval."""
        # Before and after these there is no scan; at the ends of the calendar there is no room for a period, either.
        last = interval.beginning(max(_BEGINNING, min(until or now, _FOREVER)))
        first = interval.beginning(since or last - _DEFAULT_PERIOD)
        if first > last:
            raise InvalidArgument.of("from_time", "give a time before to_time")
        if interval is Interval.HOUR and first < interval.beginning(now) - HOURS_KEPT:
            raise InvalidArgument.of("from_time", f"hours go back {HOURS_KEPT.days} days; ask for days")
        if (last - first) / interval.length > _MOST_POINTS:
            raise InvalidArgument.of("from_time", f"that is more than {_MOST_POINTS} points; ask for less time")
        return cls(
            tenant_id=tenant_id,
            batch_id=batch_id,
            product_id=product_id,
            since=first,
            until=last + interval.length,
            interval=interval,
            top_units=top_units,
        )


class Point(NamedTuple):
    """Scans of one hour or day."""

    starts_at: datetime
    scans: int
    duplicates: int
    suspicious: int


class RiskyUnit(NamedTuple):
    """A unit with scans that were a warning or high risk: its highest score, how many there were, and the last."""

    unit_id: int
    batch_id: UUID
    risk_score: int
    scans: int
    last_scan_at: datetime


@dataclass(frozen=True, slots=True)
class Summary:
    """Scans counted several ways. `counted_until` is the newest scan that is in the sums, None for none."""

    scans: int
    duplicates: int
    verdicts: dict[int, int]
    countries: dict[str, int]
    trend: Sequence[Point]
    top_units: Sequence[RiskyUnit]
    counted_until: datetime | None
