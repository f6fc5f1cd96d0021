"""How a chain and our work on it stand, for operators and whoever else asks."""

from collections.abc import Mapping

from services.anchor.answers import Answers
from services.anchor.checks import ChainNow, ChainStatus
from services.anchor.operations.verification import Registry, registry_of
from services.anchor.storage import anchors, chains, statistics
from services.common.clock import Clock
from services.common.database import Database
from services.common.errors import ChainUnavailable


class Status:
    """Answers while the chain is away, too: that is when operators ask."""

    def __init__(
        self, *, database: Database, clock: Clock, registries: Mapping[str, Registry], keep_seconds: float
    ) -> None:
        """`keep_seconds` is how long an answer serves those who ask the same."""
        self._database = database
        self._clock = clock
        self._registries = registries
        self._answers: Answers[ChainStatus] = Answers(seconds=keep_seconds, entries=len(registries) + 1)

    async def status(self, chain: str = "") -> ChainStatus:
        """Ask a chain, the default one for an empty name, and the database; InvalidArgument for an unknown name."""
        registry = registry_of(self._registries, chain)
        return await self._answers.get(registry.chain.name, lambda: self._status(registry))

    async def _status(self, registry: Registry) -> ChainStatus:
        chain = registry.chain
        async with self._database.reading() as tx:
            standing = await chains.standing(tx, chain.chain_id)
            counts = await anchors.count_unfinished(tx, chain.name)
            oldest = await statistics.oldest_pending(tx, chain.name)
            cost = await statistics.newest_cost_per_root(tx, chain_id=chain.chain_id, sender=standing.sender)
        return ChainStatus(
            chain=chain.name,
            chain_id=chain.chain_id,
            contract=chain.contract_address,
            confirmations_required=registry.confirmations,
            standing=standing,
            counts=counts,
            oldest_pending_at=oldest,
            cost_per_root_wei=cost,
            now=await self._now(registry, standing.sender),
            at=self._clock.now(),
            chains=tuple(self._registries),
        )

    async def _now(self, registry: Registry, sender: str) -> ChainNow | None:
        try:
            head = await registry.chain.head()
            if not sender:
                return ChainNow(head, 0, 0)
            nonce = await registry.chain.settled_nonce_of(sender, depth=1)
            return ChainNow(head, nonce, await registry.chain.balance_of(sender))
        except ChainUnavailable:
            return None
