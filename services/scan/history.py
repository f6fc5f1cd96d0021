"""Units' recent histories from the recorded scans, while the hot state is away.

Recorded scans do not know of others that are under way elsewhere, so counts can be short by those: `degraded` says so.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.scan.model import RecentHistory, Visit
from services.scan.sightings import DAY_SECONDS, SESSION_SECONDS, Sighting
from services.scan.storage import events
from services.scan.storage.connection import HeldConnection
from services.scan.storage.events import RecordedScan

_DAY = timedelta(seconds=DAY_SECONDS)
_SESSION = timedelta(seconds=SESSION_SECONDS)
_RECENT = timedelta(seconds=60)
_RAPID = timedelta(seconds=30)
_AHEAD = timedelta(seconds=60)
"""How much later than now a recorded scan may be: a little, since processes never agree wholly. A later one was stamped
by a clock that was wrong: nobody knows how long ago it was, so it is no part of what happened just now."""


async def recorded_histories(
    connection: HeldConnection, sightings: Sequence[Sighting], now: datetime
) -> list[RecentHistory]:
    """Return each scan's history with it; Unavailable when PostgreSQL is away, too."""
    found = await events.recent_scans(connection, list({seen.unit_id for seen in sightings}), since=now - _DAY)
    histories = []
    for seen in sightings:
        # With this scan, for itself and for the next of the same unit in this group.
        scans = found[seen.unit_id]
        scans.insert(0, RecordedScan(now, seen.device_hash, seen.country, seen.cell))
        histories.append(history_of(scans, seen, now))
    return histories


def history_of(scans: Sequence[RecordedScan], seen: Sighting, now: datetime) -> RecentHistory:
    """Return the history that recorded scans tell, newest first, the one in hand among them."""
    scans = [scan for scan in scans if scan.scanned_at <= now + _AHEAD]
    recent = sum(scan.scanned_at > now - _RECENT for scan in scans)
    began = _sessions(scans)
    placed = [scan for scan in scans[1:] if scan.cell]
    return RecentHistory(
        total=max(seen.known_scans + 1, recent),
        recent=recent,
        rapid_sessions=sum(start > now - _RAPID for start in began.values()),
        recent_sessions=sum(start > now - _RECENT for start in began.values()),
        devices=len(began),
        countries=len({scan.country for scan in scans if scan.country}),
        previous=_visit(placed[0], now) if placed and seen.cell else None,
        degraded=True,
    )


def _visit(scan: RecordedScan, now: datetime) -> Visit:
    return Visit(cell=scan.cell, seconds_ago=max(0.0, (now - scan.scanned_at).total_seconds()))


def _sessions(scans: Sequence[RecordedScan]) -> dict[bytes, datetime]:
    """Return when the last session of each device began."""
    began: dict[bytes, datetime] = {}
    for scan in reversed(scans):
        start = began.get(scan.device_hash)
        if start is None or scan.scanned_at >= start + _SESSION:
            began[scan.device_hash] = scan.scanned_at
    return began
