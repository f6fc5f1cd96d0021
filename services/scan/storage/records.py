"""Recorded scans read back for their tenants: pages of them, newest first.

A page is one walk along the index of (tenant_id, scanned_at, verification_id), from where the last page ended; months
are visited from the newest on until the page is full. Filters are applied on the way. Alternatives considered: an index
for each filter (every scan would pay for all of them), a copy of the events in a table of their own, filled after the
fact (no scan would pay, and everything would be stored twice).
"""

from typing import Final

from services.scan.records import Position, ScanFilter, ScanRecord
from services.scan.storage.connection import HeldConnection

_COLUMNS: Final = (
    "verification_id, scanned_at, unit_id, batch_id, product_id, verdict, risk_score, risk_factors, country, "
    "duplicate, degraded"
)


async def page(
    connection: HeldConnection, wanted: ScanFilter, *, behind: Position | None, limit: int
) -> list[ScanRecord]:
    """Return up to `limit` scans, newest first, from the one behind a position on."""
    sql, arguments = statement(wanted, behind=behind, limit=limit)
    return [ScanRecord(*row) for row in await connection.fetch(sql, *arguments)]


def statement(wanted: ScanFilter, *, behind: Position | None, limit: int) -> tuple[str, list[object]]:
    """Return the query for a page, with no other conditions than were asked for: each shape has its own plan."""
    arguments: list[object] = []

    def given(value: object) -> str:
        arguments.append(value)
        return f"${len(arguments)}"

    conditions = [f"tenant_id = {given(wanted.tenant_id)}"]
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
    if wanted.since is not None:
        conditions.append(f"scanned_at >= {given(wanted.since)}")
    if wanted.until is not None:
        conditions.append(f"scanned_at < {given(wanted.until)}")
    if behind is not None:
        moment = given(behind.scanned_at)
        # The first condition says nothing new, and lets the planner leave out the months after it.
        conditions.append(f"scanned_at <= {moment}")
        conditions.append(f"(scanned_at, verification_id) < ({moment}, {given(behind.verification_id)})")
    sql = (
        f"SELECT {_COLUMNS} FROM scan.scan_events WHERE {' AND '.join(conditions)} "  # noqa: S608 - constants and $n
        f"ORDER BY scanned_at DESC, verification_id DESC LIMIT {given(limit)}"
    )
    return sql, arguments
