"""First step: put the waiting roots under one."""

from services.anchor.model import Tree, build_tree, that_fit
from services.anchor.storage import trees
from services.common.clock import Clock
from services.common.database import Database
from services.common.ids import uuid7


class Collecting:
    """Makes trees for one chain."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        chain: str,
        chain_id: int,
        max_roots: int,
        max_bytes: int,
        aggregation_seconds: float,
    ) -> None:
        """`chain` is the chain's name in the settings, `chain_id` its EIP-155 id, 0 for the dry one."""
        self._database = database
        self._chain = chain
        self._clock = clock
        self._chain_id = chain_id
        self._max_roots = max_roots
        self._max_bytes = max_bytes
        self._aggregation_seconds = aggregation_seconds

    async def seconds_to_wait(self) -> float | None:
        """Return how long to let roots gather before `collect`, 0 for no longer; None when none waits.

        The wait ends with the count, the bytes or the age that the settings name, whichever comes first, and at once
        when a root is urgent. A root from a machine whose clock is ahead waits no longer than any other.
        """
        async with self._database.reading() as tx:
            waiting = await trees.waiting(tx, self._chain)
        if waiting is None:
            return None
        if waiting.urgent or waiting.roots >= self._max_roots or waiting.bytes >= self._max_bytes:
            return 0
        age = (self._clock.now() - waiting.oldest).total_seconds()
        return max(0, self._aggregation_seconds - max(0, age))

    async def collect(self) -> int:
        """Put waiting roots, tenant by tenant in turns, under a new tree; return how many."""
        async with self._database.transaction() as tx:
            taken = await trees.take_waiting(tx, self._max_roots, chain=self._chain)
            taken = taken[: that_fit([leaf for _, leaf in taken], max_bytes=self._max_bytes)]
            if not taken:
                return 0
            built = build_tree([leaf for _, leaf in taken])
            tree = Tree(tree_id=uuid7(), root=built.root, size=len(taken), chain_id=self._chain_id)
            ids = [anchor_id for anchor_id, _ in taken]
            await trees.insert_tree(tx, tree, built, ids, now=self._clock.now())
        return len(taken)
