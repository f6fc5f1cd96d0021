"""Units' recent histories: from the hot state, or from the recorded scans while that is away."""

from collections.abc import Sequence
from datetime import timedelta

from services.common.clock import Clock
from services.scan import metrics
from services.scan.hot_state import HotState, HotStateAway, Sighting
from services.scan.model import RecentHistory
from services.scan.storage import events
from services.scan.storage.connection import HeldConnection

_RECENT = timedelta(seconds=60)
_RAPID = timedelta(seconds=30)


class Histories:
    """Counts scans."""

    def __init__(self, *, hot_state: HotState, connection: HeldConnection, clock: Clock) -> None:
        self._hot_state = hot_state
        self._connection = connection
        self._clock = clock

    async def including(self, sightings: Sequence[Sighting]) -> list[RecentHistory]:
        """Count scans and return each one's history with it; Unavailable when neither source answers.

        Recorded scans do not know of others that are under way elsewhere, so counts can be short by those: `degraded`
        says so.
        """
        try:
            return await self._hot_state.count(sightings)
        except HotStateAway:
            metrics.DEGRADED.inc(len(sightings))
            return await self._from_recorded(sightings)

    async def _from_recorded(self, sightings: Sequence[Sighting]) -> list[RecentHistory]:
        now = self._clock.now()
        found = await events.recent_scans(
            self._connection,
            list({seen.unit_id for seen in sightings}),
            since=now - _RECENT,
            rapid_since=now - _RAPID,
        )
        histories = []
        for seen in sightings:
            before = found[seen.unit_id]
            # With this scan, for itself and for the next of the same unit in this group.
            found[seen.unit_id] = recorded = events.RecordedScans(
                rapid=before.rapid + 1, recent=before.recent + 1, devices=before.devices | {seen.device_hash}
            )
            histories.append(
                RecentHistory(
                    total=max(seen.known_scans + 1, recorded.recent),
                    rapid=recorded.rapid,
                    recent=recorded.recent,
                    devices=len(recorded.devices),
                    degraded=True,
                )
            )
        return histories
