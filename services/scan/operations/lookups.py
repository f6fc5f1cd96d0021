"""Units whose code somebody names without a scan: for a receipt, or a report.

To a guesser they are as good as a scan: whether a code is ours shows in any answer. So they have the limits of scans,
wrong guesses count among the others, and a refusal takes as long, whatever is wrong with the code.
"""

import asyncio
import time
from collections.abc import MutableMapping

from services.common.addresses import network_of
from services.common.credentials import Credential, parse_credential
from services.common.errors import RateLimited
from services.scan import metrics
from services.scan.codes import unit_or_nobody, unknown
from services.scan.facts import FactsCache
from services.scan.hot_state import HotState, HotStateAway
from services.scan.limits import Allowance, Limits, key_caller
from services.scan.model import UnitFacts
from services.scan.partners import Partners
from voketag_kernel.codes import KeyRing

REFUSED_AFTER_SECONDS = 0.005
"""How long it takes at least to say that a code is unknown."""


class Lookups:
    """Finds units by their codes."""

    def __init__(
        self, *, keys: KeyRing, facts: FactsCache, hot_state: HotState, limits: Limits, partners: Partners
    ) -> None:
        self._keys = keys
        self._facts = facts
        self._hot_state = hot_state
        self._limits = limits
        self._partners = partners

    async def unit(self, code: str, address: str, told: MutableMapping[str, str], *, credential: str = "") -> UnitFacts:
        """Return the unit that a code names. `told` takes what the caller is told about its limits; they are those of
        the API key that `credential` may be.

        MalformedCode, UnknownCode for whatever is not a unit in circulation, RateLimited, Unavailable.
        """
        started = time.monotonic()
        key = parse_credential(credential) if credential else None
        network = network_of(address)
        refuse_who_has_to_wait(self._limits, self._partners, key, network, told)
        unit_id = unit_or_nobody(self._keys, code)
        facts = (await self._facts.get([unit_id]))[unit_id]
        [key_id] = await self._partners.recognised([key])
        allowance = await self._count(network if key_id is None else key_caller(key_id), failed=facts is None)
        if allowance is not None:
            if not allowance.allowed:
                raise limited(allowance, told)
            told.update(allowance.headers())
        if facts is None:
            await refused_in_time(started)
            raise unknown()
        return facts

    async def _count(self, caller: str, *, failed: bool) -> Allowance | None:
        asking = [(caller, failed)]
        try:
            answers = await self._hot_state.run(self._limits.calls(asking))
        except HotStateAway:
            [allowance] = self._limits.counted_here(asking)
        else:
            [allowance] = self._limits.allowances([caller], answers)
        return allowance


def refuse_who_has_to_wait(
    limits: Limits, partners: Partners, key: Credential | None, network: str, told: MutableMapping[str, str]
) -> None:
    """Raise RateLimited for a caller who was told to come back later, before anything is looked up for it."""
    # A key that is not known here yet sits out what its address has to: anybody can make keys up.
    caller = key_caller(key.key_id) if key is not None and partners.known(key) else network
    if (refusal := limits.refused(caller)) is not None:
        raise limited(refusal, told)


def limited(allowance: Allowance, told: MutableMapping[str, str]) -> RateLimited:
    """Return the refusal of a caller who asks too often, and tell when to come back."""
    metrics.LIMITED.inc()
    told.update(allowance.headers())
    return RateLimited("too many checks from here; come back a little later", retry_after_seconds=allowance.retry_after)


async def refused_in_time(started: float) -> None:
    """Wait until a refusal may be told: a void unit is found before it is refused, and one that nobody has is not; the
    difference ends in this wait. `started` is when the call began, by the monotonic clock."""
    await asyncio.sleep(started + REFUSED_AFTER_SECONDS - time.monotonic())
