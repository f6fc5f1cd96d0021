"""A unit's recent history: from the hot state, or from the recorded scans while that is away."""

from collections.abc import Sequence
from datetime import timedelta

from services.common.clock import Clock
from services.scan import metrics
from services.scan.batching import Batcher
from services.scan.hot_state import HotState, HotStateAway, Sighting
from services.scan.model import RecentHistory
from services.scan.storage import events
from services.scan.storage.connection import HeldConnection

_RECENT = timedelta(seconds=60)
_RAPID = timedelta(seconds=30)


class Histories:
    """Counts scans."""

    def __init__(self, *, hot_state: HotState, connection: HeldConnection, clock: Clock, max_waiting: int) -> None:
        self._hot_state = hot_state
        self._connection = connection
        self._clock = clock
        self._recorded: Batcher[Sighting, RecentHistory] = Batcher(
            self._read_recorded, max_size=500, max_waiting=max_waiting
        )

    async def with_scan(self, sighting: Sighting) -> RecentHistory:
        """Return the unit's history including this scan; Unavailable when neither source answers.

        Recorded scans do not know of others that are under way, so counts can be short by those: `degraded` says so.
        """
        try:
            return await self._hot_state.count(sighting)
        except HotStateAway:
            metrics.DEGRADED.inc()
            return await self._recorded.submit(sighting)

    async def aclose(self) -> None:
        """Finish what is under way."""
        await self._recorded.aclose()

    async def _read_recorded(self, sightings: Sequence[Sighting]) -> list[RecentHistory]:
        now = self._clock.now()
        found = await events.recent_scans(
            self._connection,
            list({seen.unit_id for seen in sightings}),
            since=now - _RECENT,
            rapid_since=now - _RAPID,
        )
        return [_including(seen, found[seen.unit_id]) for seen in sightings]


def _including(seen: Sighting, recorded: events.RecordedScans) -> RecentHistory:
    return RecentHistory(
        total=max(seen.known_scans, recorded.recent) + 1,
        rapid=recorded.rapid + 1,
        recent=recorded.recent + 1,
        devices=len(recorded.devices | {seen.device_hash}),
        degraded=True,
    )
