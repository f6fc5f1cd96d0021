"""Recorded scans read back for their tenants, newest first, out of spans of time.

Within a span a page is one walk along the index of (tenant_id, scanned_at, verification_id), month after month, until
it is full; filters are applied on the way. Which spans are worth a walk, `facets.py` knows.
"""

from collections.abc import Sequence
from typing import Final

from services.scan.records import Position, ScanFilter, ScanRecord, Span
from services.scan.storage.connection import HeldConnection

_COLUMNS: Final = (
    "verification_id, scanned_at, unit_id, batch_id, product_id, verdict, risk_score, risk_factors, country, "
    "duplicate, degraded"
)


async def within(
    connection: HeldConnection, wanted: ScanFilter, spans: Sequence[Span], *, behind: Position | None, limit: int
) -> list[ScanRecord]:
    """Return up to `limit` scans of some spans, newest first, from the one behind a position on.

    The spans are given newest first, and none overlaps with another. What the filter says of time is in them already.
    """
    sql, arguments = statement(wanted, spans, behind=behind, limit=limit)
    return [ScanRecord(*row) for row in await connection.fetch(sql, *arguments)]


def statement(
    wanted: ScanFilter, spans: Sequence[Span], *, behind: Position | None, limit: int
) -> tuple[str, list[object]]:
    """Return the query for a page, with no other conditions than were asked for: each shape has its own plan.

    One span stands in the query as it is, which shows the planner how long it is, and which months it is in.
    """
    arguments: list[object] = []

    def given(value: object) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    most = given(limit)
    if len(spans) == 1:
        since, until = given(spans[0].since), given(spans[0].until)
    else:
        since, until = "span.since", "span.until"
    conditions = [f"tenant_id = {given(wanted.tenant_id)}", f"scanned_at >= {since}", f"scanned_at < {until}"]
    if wanted.batch_id is not None:
        conditions.append(f"batch_id = {given(wanted.batch_id)}")
    if wanted.product_id is not None:
        conditions.append(f"product_id = {given(wanted.product_id)}")
    if wanted.country is not None:
        conditions.append(f"country = {given(wanted.country)}")
    if wanted.verdict is not None:
        conditions.append(f"verdict = {given(wanted.verdict.value)}::smallint")
    if wanted.duplicates_only:
        conditions.append("duplicate")
    if behind is not None:
        conditions.append(
            f"(scanned_at, verification_id) < ({given(behind.scanned_at)}, {given(behind.verification_id)})"
        )
    order = f"scanned_at DESC, verification_id DESC LIMIT {most}"
    walk = f"SELECT {_COLUMNS} FROM scan.scan_events WHERE {' AND '.join(conditions)} ORDER BY {order}"  # noqa: S608 - constants and $n
    if len(spans) == 1:
        return walk, arguments
    ends = (given([span.since for span in spans]), given([span.until for span in spans]))
    return (
        f"SELECT {_COLUMNS} FROM unnest({ends[0]}::timestamptz[], {ends[1]}::timestamptz[]) WITH ORDINALITY "  # noqa: S608 - constants and $n
        f"AS span (since, until, place) CROSS JOIN LATERAL ({walk}) AS found ORDER BY place, {order}",
        arguments,
    )
