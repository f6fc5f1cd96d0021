"""What must hold whatever the chain does, asked of the chain itself and not of the nodes that the service asks."""

from dataclasses import dataclass, field
from typing import Any

from deploy.local.anvil import Anvil
from services.anchor.model import AnchorState, Outcome
from services.common.errors import Unavailable
from tests.storage.anchor.line import Line
from voketag_kernel.receipts import is_anchored_event


@dataclass
class WatchfulFactory:
    """A Factory that looks at the chain whenever it hears of a confirmation, and can be away."""

    anvil: Anvil
    contract: str
    depth: int
    heard: list[Outcome] = field(default_factory=list)
    too_early: list[Outcome] = field(default_factory=list)
    away: bool = False
    mute: bool = False

    async def report(self, outcome: Outcome) -> None:
        """Hear of an outcome."""
        if self.away:
            raise Unavailable
        self.heard.append(outcome)
        if outcome.state is AnchorState.CONFIRMED and not self._deep_enough(outcome):
            self.too_early.append(outcome)
        if self.mute:
            raise Unavailable

    def _deep_enough(self, outcome: Outcome) -> bool:
        receipt = self.anvil.call("eth_getTransactionReceipt", outcome.tx_hash)
        if receipt is None or receipt["status"] != "0x1":
            return False
        head = int(self.anvil.call("eth_blockNumber"), 16)
        return head - int(receipt["blockNumber"], 16) + 1 >= self.depth


async def unanchored(line: Line, anvil: Anvil) -> list[Any]:
    """Return what is CONFIRMED without standing on the chain in the place that it names."""
    wrong = []
    for row in await line.rows("SELECT DISTINCT batch_id FROM anchor.anchors WHERE state = 'CONFIRMED'"):
        found = await line.anchors.get(row.batch_id)
        at = found.inclusion
        assert at is not None
        receipt = anvil.call("eth_getTransactionReceipt", at.tx_hash)
        stands = (
            found.is_included()
            and receipt is not None
            and int(receipt["blockNumber"], 16) == at.block_number
            and any(is_anchored_event(log, contract=at.contract, root=at.root) for log in receipt["logs"])
        )
        if not stands:
            wrong.append(found)
    return wrong


async def anchored_twice(line: Line) -> list[Any]:
    """Return the given-up trees whose root is on the chain all the same: what is under them would be there twice.

    A tree that was made anew of the same roots has the same root, and is the one that put it there.
    """
    rows = await line.rows(
        "SELECT root FROM anchor.anchor_trees WHERE state IN ('ABANDONED', 'FAILED') "
        "EXCEPT SELECT root FROM anchor.anchor_trees WHERE state = 'CONFIRMED'"
    )
    return [row.root for row in rows if await line.chain.anchored_at(row.root) is not None]
