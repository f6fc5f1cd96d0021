"""What the writer tells the others: metrics for operators, and why nothing moves for whoever asks."""

import time

from services.anchor import metrics
from services.anchor.chain_types import Chain
from services.anchor.storage import anchors, chains
from services.common.clock import Clock
from services.common.database import Database

_CHAIN_EVERY_SECONDS = 15


class Observing:
    """Watches the queue of anchors, the chain's head and the signer's balance."""

    def __init__(self, *, database: Database, clock: Clock, chain: Chain) -> None:
        self._database = database
        self._clock = clock
        self._chain = chain
        self._chain_due = 0.0
        self._said: str | None = None

    async def observe(self) -> None:
        """Refresh the gauges. Raises what `Chain` raises."""
        async with self._database.reading() as tx:
            for state, count in (await anchors.count_unfinished(tx, self._chain.name)).items():
                metrics.anchors.labels(self._chain.name, state.name.lower()).set(count)
        if time.monotonic() >= self._chain_due:
            head = await self._chain.head()
            metrics.head_age_seconds.labels(self._chain.name).set(self._clock.now().timestamp() - head.timestamp)
            metrics.balance_wei.labels(self._chain.name).set(await self._chain.balance())
            self._chain_due = time.monotonic() + _CHAIN_EVERY_SECONDS

    async def say(self, waits_for: str) -> None:
        """Tell why nothing moves; an empty text means that all is well. Written only when it changes."""
        if waits_for == self._said:
            return
        async with self._database.transaction() as tx:
            await chains.say(
                tx,
                chain_id=self._chain.chain_id,
                sender=self._chain.sender,
                waits_for=waits_for,
                now=self._clock.now(),
            )
        metrics.waiting.labels(self._chain.name).set(1 if waits_for else 0)
        self._said = waits_for
