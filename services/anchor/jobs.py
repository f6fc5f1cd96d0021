"""The worker's two endless jobs: `Writer` moves roots to the chain, `Reporter` tells Factory.

Each step of theirs reads where things stand from PostgreSQL, does one thing and commits it. So a worker that is killed
between any two steps, or in the middle of one, is simply followed by another that looks again.
"""

from collections.abc import Callable
from typing import Protocol

from services.anchor.chain_errors import (
    ChainRefused,
    ContractReverted,
    FeeAboveCeiling,
    InsufficientFunds,
    LowBalance,
    SignerRefused,
)
from services.anchor.operations.collecting import Collecting
from services.anchor.operations.filling import Filling
from services.anchor.operations.guarding import Guarding
from services.anchor.operations.observing import Observing
from services.anchor.operations.rechecking import Rechecking
from services.anchor.operations.rehearsing import Rehearsing
from services.anchor.operations.reporting import Reporting
from services.anchor.operations.sending import Sending
from services.anchor.operations.settling import Settling
from services.common.errors import ChainUnavailable, VokeTagError
from services.common.logs import get_logger

_LONGEST_PAUSE_SECONDS = 15

_log = get_logger(__name__)


class Job(Protocol):
    """Something to do again and again."""

    async def look(self) -> float:
        """Do what there is to do; return the seconds after which to look again at the latest."""
        ...


class Writer:
    """Collects, signs, broadcasts and settles."""

    def __init__(
        self,
        *,
        guarding: Guarding,
        collecting: Collecting,
        sending: Sending,
        settling: Settling,
        rechecking: Rechecking,
        filling: Filling,
        observing: Observing,
        poll_seconds: float,
        on_outcome: Callable[[], None],
    ) -> None:
        """`on_outcome` is called after anchors came to an outcome."""
        self._guarding = guarding
        self._collecting = collecting
        self._sending = sending
        self._settling = settling
        self._rechecking = rechecking
        self._filling = filling
        self._observing = observing
        self._poll_seconds = poll_seconds
        self._on_outcome = on_outcome
        self._failures = 0

    async def look(self) -> float:
        """Go through the steps once. What the chain does to us ends the round, never the anchors."""
        try:
            pause = await self._round()
            await self._observing.say(await self._sending.waits_for())
        except (ChainUnavailable, ChainRefused) as error:
            _log.warning("the chain does not let us go on", error=str(error))
            return await self._wait_for(_reason(error))
        except VokeTagError as error:
            _log.warning("the round ended early", error=error.message)
            return self._longer_pause()
        self._failures = 0
        return pause

    async def _round(self) -> float:
        await self._guarding.guard()
        await self._rechecking.recheck_now_and_then()
        await self._settle()
        await self._filling.fill()
        await self._sending.broadcast()
        wait = await self._collecting.seconds_to_wait()
        # While a transaction is on its way, what waits gathers for the next one instead of making many small trees.
        if wait == 0 and await self._sending.has_room():
            await self._collecting.collect()
        if await self._sending.sign():
            await self._sending.broadcast()
            await self._settle()
        await self._observing.observe()
        return min(wait, self._poll_seconds) if wait else self._poll_seconds

    async def _settle(self) -> None:
        if await self._settling.settle():
            self._on_outcome()

    async def _wait_for(self, reason: str) -> float:
        try:
            await self._observing.say(reason)
        except VokeTagError as error:
            _log.warning("the reason could not be written", error=error.message)
        return self._longer_pause()

    def _longer_pause(self) -> float:
        self._failures += 1
        return min(self._poll_seconds * 2.0 ** min(self._failures, 16), _LONGEST_PAUSE_SECONDS)


class DryWriter:
    """What a `Writer` is to the other chains, to the dry one."""

    def __init__(
        self,
        *,
        collecting: Collecting,
        rehearsing: Rehearsing,
        poll_seconds: float,
        on_outcome: Callable[[], None],
    ) -> None:
        self._collecting = collecting
        self._rehearsing = rehearsing
        self._poll_seconds = poll_seconds
        self._on_outcome = on_outcome

    async def look(self) -> float:
        """Call anchored what waits."""
        try:
            wait = await self._collecting.seconds_to_wait()
            if wait == 0:
                await self._collecting.collect()
            if await self._rehearsing.settle():
                self._on_outcome()
        except VokeTagError as error:
            _log.warning("the round ended early", error=error.message)
            wait = None
        return min(wait, self._poll_seconds) if wait else self._poll_seconds


class Reporter:
    """Reports outcomes."""

    def __init__(self, *, reporting: Reporting, poll_seconds: float) -> None:
        self._reporting = reporting
        self._poll_seconds = poll_seconds

    async def look(self) -> float:
        """Report what is due."""
        try:
            return 0 if await self._reporting.report() else self._poll_seconds
        except VokeTagError as error:
            _log.warning("reporting ended early", error=error.message)
            return self._poll_seconds


def _reason(error: ChainUnavailable | ChainRefused) -> str:
    """Say what an operator can do. A node's own words stay in the log: anyone may read an anchor."""
    match error:
        case InsufficientFunds():
            return "the signing address cannot pay: top up its balance"
        case FeeAboveCeiling() | LowBalance():
            return error.text
        case ContractReverted():
            return f"the contract refuses the signing address or the root: {error.text}"
        case SignerRefused():
            return "the signer will not sign the transaction: see the worker's log"
        case ChainRefused():
            return "the chain's node refuses the transaction: see the worker's log"
        case _:
            return error.message
