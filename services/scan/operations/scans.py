"""A scan, from a printed code to a recorded verdict."""

import asyncio
import time
from collections.abc import Sequence

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
from services.scan.model import Device, Scan, ScanCount, ScanEvent, verdict_of
from services.scan.storage import events
from services.scan.storage.connection import HeldConnection
from voketag_kernel.codes import KeyRing


class Recorder:
    """Group commit: scans that arrive while one commit is under way are recorded by the next."""

    def __init__(
        self, *, connection: HeldConnection, timeout_seconds: float, linger_seconds: float, max_waiting: int
    ) -> None:
        self._connection = connection
        self._timeout = timeout_seconds
        self._batcher: Batcher[ScanEvent, ScanCount] = Batcher(
            self._commit, max_size=500, max_waiting=max_waiting, linger_seconds=linger_seconds
        )

    async def record(self, event: ScanEvent) -> ScanCount:
        """Record a scan durably and return its place among the unit's scans.

        Unavailable when PostgreSQL is away or slow. Whether the scan was recorded is not known then, so it is never
        sent again: what is answered is recorded once, what is not answered at most once.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._batcher.submit(event)
        except TimeoutError as error:
            raise Unavailable from error

    async def aclose(self) -> None:
        """Record what waits."""
        await self._batcher.aclose()

    async def _commit(self, waiting: Sequence[ScanEvent]) -> list[ScanCount]:
        started = time.perf_counter()
        counts = await events.record(self._connection, waiting)
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        metrics.COMMIT_SIZE.observe(len(waiting))
        return counts


class Scans:
    """Gives verdicts."""

    def __init__(
        self,
        *,
        keys: KeyRing,
        facts: FactsCache,
        histories: Histories,
        recorder: Recorder,
        fingerprints: Fingerprints,
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._facts = facts
        self._histories = histories
        self._recorder = recorder
        self._fingerprints = fingerprints
        self._clock = clock

    async def scan(self, code: str, device: Device) -> Scan:
        """Return the verdict on a code, recorded.

        MalformedCode, UnknownCode for whatever is not a unit in circulation, Unavailable when it cannot be recorded.
        """
        unit_id = unit_id_of(self._keys, code)
        facts = await self._facts.get(unit_id)
        if facts is None:
            raise unknown()
        now = self._clock.now()
        today = now.date()
        device_hash = self._fingerprints.device(device, today)
        history = await self._histories.with_scan(
            Sighting(unit_id=unit_id, device_hash=device_hash, known_scans=facts.known_scans)
        )
        factors = risk.factors_of(risk.Observation(history=history, user_agent=device.user_agent))
        score = risk.score_of(factors)
        event = ScanEvent(
            verification_id=uuid7(),
            unit_id=unit_id,
            batch_id=facts.batch.batch_id,
            scanned_at=now,
            verdict=verdict_of(state=facts.state, expires_at=facts.batch.expires_at, today=today, score=score),
            risk_score=score,
            risk_factors=factors,
            country="",
            device_hash=device_hash,
            address_hash=self._fingerprints.address(device.address, today),
            degraded=history.degraded,
        )
        count = await self._recorder.record(event)
        metrics.VERDICTS[event.verdict].inc()
        return Scan(event=event, facts=facts, history=history, count=count)
