"""What the writer tells the others: metrics for operators, and why nothing moves for whoever asks."""

import time

from services.anchor import metrics
from services.anchor.chain_types import Chain
from services.anchor.storage import anchors, chains, statistics
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

    async def observe(self) -> None:
        """Refresh the gauges. Raises what `Chain` raises."""
        name = self._chain.name
        async with self._database.reading() as tx:
            for state, count in (await anchors.count_unfinished(tx, name)).items():
                metrics.anchors.labels(name, state.name.lower()).set(count)
            oldest = await statistics.oldest_pending(tx, name)
            refusals = (await chains.standing(tx, self._chain.chain_id)).refusals
            cost = await statistics.newest_cost_per_root(tx, chain_id=self._chain.chain_id, sender=self._chain.sender)
        waits = (self._clock.now() - oldest).total_seconds() if oldest else 0
        metrics.oldest_pending_seconds.labels(name).set(max(0, waits))
        metrics.refusals.labels(name).set(refusals)
        if cost is not None:
            metrics.cost_per_root_wei.labels(name).set(cost)
        if time.monotonic() >= self._chain_due:
            head = await self._chain.head()
            metrics.head_age_seconds.labels(name).set(self._clock.now().timestamp() - head.timestamp)
            metrics.balance_wei.labels(name).set(await self._chain.balance())
            metrics.nonce.labels(name).set(await self._chain.mined_nonce())
            if head.base_fee_wei is not None:
                metrics.base_fee_wei.labels(name).set(head.base_fee_wei)
            self._chain_due = time.monotonic() + _CHAIN_EVERY_SECONDS

    async def say(self, waits_for: str) -> None:
        """Tell why nothing moves; an empty text means that all is well."""
        async with self._database.transaction() as tx:
            await chains.say(
                tx,
                chain_id=self._chain.chain_id,
                sender=self._chain.sender,
                waits_for=waits_for,
                now=self._clock.now(),
            )
        metrics.waiting.labels(self._chain.name).set(1 if waits_for else 0)
        if waits_for:
            metrics.last_error_timestamp_seconds.labels(self._chain.name).set(self._clock.now().timestamp())
