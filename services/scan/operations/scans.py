"""Scans, from printed codes to recorded verdicts.

Scans travel in groups: those that arrive while one group is under way are the next. A group is one query, one round
trip to the hot state and one commit, however many scans are in it. Alternatives considered: each step with a queue of
its own (groups fall apart between the steps; the CPU per scan doubled under load), a commit that lingers by itself (the
query and the round trip stay small and many).

A code that is not ours goes the same way as one that was never issued, with a unit that nobody has: the same query, the
same round trip, the same answer, and that not before a fixed time. So neither the answer nor its time tells what was
wrong with a guess.
"""

import time
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.common.addresses import network_of
from services.common.batching import Batcher
from services.common.clock import Clock
from services.common.credentials import Credential, parse_credential
from services.common.errors import Unavailable
from services.common.ids import uuid7_at
from services.common.logs import get_logger
from services.scan import metrics, risk
from services.scan.breaker import Breaker
from services.scan.codes import unit_or_nobody, unknown
from services.scan.facts import FactsCache
from services.scan.fingerprint import Fingerprints
from services.scan.history import recorded_histories
from services.scan.hot_state import HotState, HotStateAway
from services.scan.limits import Allowance, Limits, key_caller
from services.scan.model import Device, RecentHistory, Scan, ScanCount, ScanEvent, UnitFacts, verdict_of
from services.scan.networks import Network, Networks
from services.scan.operations.lookups import limited, refuse_who_has_to_wait, refused_in_time
from services.scan.partners import Partners
from services.scan.places import NOWHERE, Place, Places
from services.scan.sightings import Sighting, history_of
from services.scan.storage import events, hints
from services.scan.storage.connection import HeldConnection
from voketag_kernel.codes import KeyRing

_log = get_logger(__name__)
_LARGEST_GROUP = 500
_GROUPS_AT_ONCE = 2  # one is counted and judged while another one waits for its commit


@dataclass(frozen=True, slots=True)
class _Attempt:
    unit_id: int
    device: Device
    network: str
    credential: Credential | None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of an attempt: a scan, or none for a unit that was never issued or a caller who asks too often."""

    scan: Scan | None
    allowance: Allowance | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """A scan that is not judged yet."""

    device: Device
    facts: UnitFacts
    place: Place
    networks: frozenset[Network]
    sighting: Sighting


class Scans:
    """Gives verdicts."""

    def __init__(
        self,
        *,
        keys: KeyRing,
        facts: FactsCache,
        hot_state: HotState,
        limits: Limits,
        partners: Partners,
        places: Places,
        networks: Networks,
        reads: HeldConnection,
        writes: HeldConnection,
        breaker: Breaker,
        fingerprints: Fingerprints,
        clock: Clock,
        keeps_hints: bool,
        timeout_seconds: float,
        linger_seconds: float,
        max_waiting: int,
    ) -> None:
        """`keeps_hints`: what devices say of themselves is kept in the clear, too. `breaker` is that of the database;
        `timeout_seconds` is how long a scan may take before it is Unavailable."""
        self._keys = keys
        self._facts = facts
        self._hot_state = hot_state
        self._limits = limits
        self._partners = partners
        self._places = places
        self._networks = networks
        self._reads = reads
        self._writes = writes
        self._breaker = breaker
        self._fingerprints = fingerprints
        self._clock = clock
        self._keeps_hints = keeps_hints
        self._batcher: Batcher[_Attempt, _Outcome] = Batcher(
            self._group,
            max_size=_LARGEST_GROUP,
            max_waiting=max_waiting,
            linger_seconds=linger_seconds,
            overlapping=_GROUPS_AT_ONCE,
            timeout_seconds=timeout_seconds,
        )

    async def scan(self, code: str, device: Device, told: MutableMapping[str, str], *, credential: str = "") -> Scan:
        """Return the verdict on a code, recorded. `told` takes what the caller is told about its limits; they are those
        of the API key that `credential` may be.

        MalformedCode, UnknownCode for whatever is not a unit in circulation, RateLimited, Unavailable when it cannot be
        recorded in time. Whether it was recorded after all is not known then, so it is never sent again: what is
        answered is recorded once, what is not answered at most once.
        """
        started = time.monotonic()
        key = parse_credential(credential) if credential else None
        network = network_of(device.address)
        refuse_who_has_to_wait(self._limits, self._partners, key, network, told)
        attempt = _Attempt(unit_or_nobody(self._keys, code), device, network, key)
        if self._breaker.open:  # nobody waits for a probe; `probing` makes them
            raise Unavailable
        made = await self._batcher.submit(attempt)
        if made.allowance is not None:
            if not made.allowance.allowed:
                raise limited(made.allowance, told)
            told.update(made.allowance.headers())
        if made.scan is None:
            await refused_in_time(started)
            raise unknown()
        metrics.VERDICTS[made.scan.event.verdict].inc()
        return made.scan

    async def aclose(self) -> None:
        """Finish the scans that wait."""
        await self._batcher.aclose()

    async def _group(self, attempts: Sequence[_Attempt]) -> list[_Outcome]:
        """Give verdicts on several codes at once."""
        known = await self._facts.get([attempt.unit_id for attempt in attempts])
        now = self._clock.now()
        seen = [self._see(attempt, known[attempt.unit_id], now) for attempt in attempts]
        allowances, histories = await self._count(attempts, seen, now)
        judged = {
            place: self._event(each, history, now)
            for place, (each, history, allowance) in enumerate(zip(seen, histories, allowances, strict=True))
            if each is not None and history is not None and (allowance is None or allowance.allowed)
        }
        counts = dict(zip(judged, await self._record(list(judged.values())), strict=True)) if judged else {}
        if self._keeps_hints and judged:
            await self._keep_hints([(event, attempts[place].device) for place, event in judged.items()])
        return [
            _Outcome(
                scan=Scan(event=judged[place], facts=each.facts, history=history, count=counts[place])
                if each is not None and history is not None and place in judged
                else None,
                allowance=allowance,
            )
            for place, (each, history, allowance) in enumerate(zip(seen, histories, allowances, strict=True))
        ]

    def _see(self, attempt: _Attempt, facts: UnitFacts | None, now: datetime) -> _Seen | None:
        if facts is None:
            return None
        device = attempt.device
        networks = self._networks.of(device.address)
        # The exit of a VPN or a data centre says nothing of the person who scans through it: not where they are, and
        # not that they are somebody else when the next scan leaves by another one.
        place = NOWHERE if networks else self._places.of(device.address)
        known_by = replace(device, address="") if networks else device
        return _Seen(
            device=device,
            facts=facts,
            place=place,
            networks=networks,
            sighting=Sighting(
                unit_id=facts.unit_id,
                device_hash=self._fingerprints.device(known_by, now.date()),
                known_scans=facts.known_scans,
                country=place.country,
                cell=place.cell,
            ),
        )

    async def _count(
        self, attempts: Sequence[_Attempt], seen: Sequence[_Seen | None], now: datetime
    ) -> tuple[list[Allowance | None], list[RecentHistory | None]]:
        """Count callers and units, in one round trip: what each caller may, and each known unit's history."""
        sightings = [each.sighting for each in seen if each is not None]
        key_ids = await self._partners.recognised([attempt.credential for attempt in attempts])
        asking = [
            (attempt.network if key_id is None else key_caller(key_id), each is None)
            for attempt, key_id, each in zip(attempts, key_ids, seen, strict=True)
        ]
        callers = self._limits.calls(asking)
        try:
            answers = await self._hot_state.run([*callers, *(sighting.call() for sighting in sightings)])
        except HotStateAway:
            metrics.DEGRADED.inc(len(sightings))
            counted = iter(await recorded_histories(self._reads, sightings, now) if sightings else ())
            allowances = self._limits.counted_here(asking)
        else:
            counted = iter([history_of(answer) for answer in answers[len(callers) :]])
            allowances = self._limits.allowances([caller for caller, _ in asking], answers[: len(callers)])
        return allowances, [None if each is None else next(counted) for each in seen]

    def _event(self, seen: _Seen, history: RecentHistory, now: datetime) -> ScanEvent:
        facts, device, place = seen.facts, seen.device, seen.place
        factors = risk.factors_of(
            risk.Observation(
                history=history,
                user_agent=device.user_agent,
                country=place.country,
                cell=place.cell,
                networks=seen.networks,
                markets=facts.product.markets,
                state=facts.state,
            ),
            facts.policy.disabled_factors,
        )
        score = risk.score_of(factors)
        return ScanEvent(
            verification_id=uuid7_at(now),
            unit_id=facts.unit_id,
            batch_id=facts.batch.batch_id,
            scanned_at=now,
            verdict=verdict_of(
                state=facts.state,
                expires_at=facts.batch.expires_at,
                today=now.date(),
                score=score,
                policy=facts.policy,
            ),
            risk_score=score,
            risk_factors=factors,
            country=place.country,
            device_hash=seen.sighting.device_hash,
            address_hash=self._fingerprints.address(device.address, now.date()),
            degraded=history.degraded,
            tenant_id=facts.tenant_id,
            product_id=facts.product.product_id,
            cell=place.cell,
            duplicate=history.total > 1,
        )

    async def _keep_hints(self, scans: Sequence[tuple[ScanEvent, Device]]) -> None:
        """Keep hints of scans that are recorded; without them a verdict is as good."""
        try:
            await hints.keep(self._writes, scans)
        except Unavailable:
            _log.warning("hints of devices were not kept", scans=len(scans))

    async def _record(self, judged: Sequence[ScanEvent]) -> list[ScanCount]:
        started = time.perf_counter()
        counts = await events.record(self._writes, judged)
        metrics.COMMIT_SECONDS.observe(time.perf_counter() - started)
        metrics.COMMIT_SIZE.observe(len(judged))
        return counts
