"""Scans, from printed codes to recorded verdicts.

Scans travel in groups: those that arrive while one group is under way are the next. A group is one query, one round
trip to the hot state and one commit, however many scans are in it. Alternatives considered: each step with a queue of
its own (groups fall apart between the steps; the CPU per scan doubled under load), a commit that lingers by itself (the
query and the round trip stay small and many).
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.common.clock import Clock
from services.common.errors import Unavailable
from services.common.ids import uuid7
from services.scan import metrics, risk
from services.scan.batching import Batcher
from services.scan.codes import unit_id_of, unknown
from services.scan.facts import FactsCache
from services.scan.fingerprint import Fingerprints
from services.scan.history import Histories
from services.scan.hot_state import Sighting
from services.scan.model import Device, RecentHistory, Scan, ScanCount, ScanEvent, UnitFacts, verdict_of
from services.scan.storage import events
from services.scan.storage.connection import HeldConnection
from voketag_kernel.codes import KeyRing

_LARGEST_GROUP = 500


@dataclass(frozen=True, slots=True)
class _Attempt:
    unit_id: int
    device: Device


class Scans:
    """Gives verdicts."""

    def __init__(
        self,
        *,
        keys: KeyRing,
        facts: FactsCache,
        histories: Histories,
        connection: HeldConnection,
        fingerprints: Fingerprints,
        clock: Clock,
        timeout_seconds: float,
        linger_seconds: float,
        max_waiting: int,
    ) -> None:
        """`connection` records scans; `timeout_seconds` is how long a scan may take before it is Unavailable."""
        self._keys = keys
        self._facts = facts
        self._histories = histories
        self._connection = connection
        self._fingerprints = fingerprints
        self._clock = clock
        self._timeout = timeout_seconds
        self._batcher: Batcher[_Attempt, Scan | None] = Batcher(
            self._group, max_size=_LARGEST_GROUP, max_waiting=max_waiting, linger_seconds=linger_seconds
        )

    async def scan(self, code: str, device: Device) -> Scan:
        """Return the verdict on a code, recorded.

        MalformedCode, UnknownCode for whatever is not a unit in circulation, Unavailable when it cannot be recorded in
        time. Whether it was recorded after all is not known then, so it is never sent again: what is answered is
        recorded once, what is not answered at most once.
        """
        attempt = _Attempt(unit_id_of(self._keys, code), device)
        try:
            async with asyncio.timeout(self._timeout):
                made = await self._batcher.submit(attempt)
        except TimeoutError as error:
            raise Unavailable from error
        if made is None:
            raise unknown()
        metrics.VERDICTS[made.event.verdict].inc()
        return made

    async def aclose(self) -> None:
        """Finish the scans that wait."""
        await self._batcher.aclose()

    async def _group(self, attempts: Sequence[_Attempt]) -> list[Scan | None]:
        """Give verdicts on several codes at once, None for units that were never issued."""
        known = await self._facts.get([attempt.unit_id for attempt in attempts])
        scans = [(attempt.device, facts) for attempt in attempts if (facts := known[attempt.unit_id]) is not None]
        made = iter(await self._judge(scans) if scans else ())
        return [None if known[attempt.unit_id] is None else next(made) for attempt in attempts]

    async def _judge(self, scans: Sequence[tuple[Device, UnitFacts]]) -> list[Scan]:
        now = self._clock.now()
        today = now.date()
        sightings = [
            Sighting(
                unit_id=facts.unit_id,
                device_hash=self._fingerprints.device(device, today),
                known_scans=facts.known_scans,
            )
            for device, facts in scans
        ]
        histories = await self._histories.including(sightings)
        judged = [
            self._event(device, facts, seen, history, now)
            for (device, facts), seen, history in zip(scans, sightings, histories, strict=True)
        ]
        counts = await self._record(judged)
        return [
            Scan(event=event, facts=facts, history=history, count=count)
            for event, (_, facts), history, count in zip(judged, scans, histories, counts, strict=True)
        ]

    def _event(
        self, device: Device, facts: UnitFacts, seen: Sighting, history: RecentHistory, now: datetime
    ) -> ScanEvent:
        factors = risk.factors_of(
            risk.Observation(history=history, user_agent=device.user_agent), facts.policy.disabled_factors
        )
        score = risk.score_of(factors)
        today = now.date()
        return ScanEvent(
            verification_id=uuid7(),
            unit_id=facts.unit_id,
            batch_id=facts.batch.batch_id,
            scanned_at=now,
            verdict=verdict_of(
                state=facts.state,
                expires_at=facts.batch.expires_at,
                today=today,
                score=score,
                policy=facts.policy,
            ),
            risk_score=score,
            risk_factors=factors,
            country="",
            device_hash=seen.device_hash,
            address_hash=self._fingerprints.address(device.address, today),
            degraded=history.degraded,
            tenant_id=facts.tenant_id,
            product_id=facts.product.product_id,
            cell="",
            duplicate=history.total > 1,
        )

    async def _record(self, judged: Sequence[ScanEvent]) -> list[ScanCount]:
        started = time.perf_counter()
        counts = await events.record(self._connection, judged)
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        metrics.COMMIT_SIZE.observe(len(judged))
        return counts
