"""The steps between a submitted root and a reported outcome, to be run one at a time."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from deploy.local.anvil import Anvil
from services.anchor.chain import EvmChain
from services.anchor.chain_types import TransactionReceipt
from services.anchor.failover import NodesChain
from services.anchor.jobs import Writer
from services.anchor.model import Anchor, AnchorState, Outcome
from services.anchor.operations.anchors import Anchors
from services.anchor.operations.collecting import Collecting
from services.anchor.operations.filling import Filling
from services.anchor.operations.guarding import Guarding
from services.anchor.operations.observing import Observing
from services.anchor.operations.rechecking import Rechecking
from services.anchor.operations.reporting import Reporting
from services.anchor.operations.sending import Sending
from services.anchor.operations.settling import Settling
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.errors import Unavailable
from tests.storage.anchor_chain.development import CEILING_WEI, mined


class MovableClock:
    """The machine's clock, set forward by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The time."""
        return SystemClock().now() + self.ahead

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(seconds=seconds)


class NoQueue:
    """A queue that is away: every nudge is lost."""

    async def nudge(self, job: str, key: str) -> None:
        """Lose it."""


@dataclass
class RecordingFactory:
    """Factory as the reporter sees it: takes outcomes, unless it is away; its answers can be lost on their way."""

    heard: list[Outcome] = field(default_factory=list)
    away: bool = False
    mute: bool = False

    async def report(self, outcome: Outcome) -> None:
        """Hear of an outcome."""
        if self.away:
            raise Unavailable
        self.heard.append(outcome)
        if self.mute:
            raise Unavailable


class Line:
    """Every property makes its step anew: nothing but PostgreSQL and the chain carries over, as after a kill -9."""

    def __init__(self, database: Database, chain: EvmChain, anvil: Anvil, *, name: str = "main") -> None:
        self.database = database
        self.chain = chain
        self.anvil = anvil
        self.clock = MovableClock()
        self.factory = RecordingFactory()
        self.confirmations = 1
        self.max_roots = 10_000
        self.max_bytes = 1 << 20
        self.ceiling_wei = CEILING_WEI
        self.floor_wei = 0
        self.other_nodes: list[EvmChain] = []
        self.name = name
        self.chains = {name: chain.chain_id}

    @property
    def nodes(self) -> NodesChain:
        """The chain as the worker sees it: one node, and what a test has put beside it."""
        return NodesChain([self.chain, *self.other_nodes], name=self.name, clock=self.clock)

    @property
    def guarding(self) -> Guarding:
        """Before the steps."""
        return Guarding(database=self.database, clock=self.clock, chain=self.nodes)

    @property
    def filling(self) -> Filling:
        """Beside the steps."""
        return Filling(
            database=self.database,
            clock=self.clock,
            chain=self.nodes,
            confirmations=self.confirmations,
            fee_ceiling_wei=self.ceiling_wei,
            stuck_seconds=60,
        )

    @property
    def anchors(self) -> Anchors:
        """The RPCs' use cases."""
        return Anchors(database=self.database, clock=self.clock, queue=NoQueue(), chains=self.chains)  # type: ignore[arg-type]

    @property
    def collecting(self) -> Collecting:
        """First step."""
        return Collecting(
            database=self.database,
            clock=self.clock,
            chain=self.name,
            chain_id=self.chain.chain_id,
            max_roots=self.max_roots,
            max_bytes=self.max_bytes,
            aggregation_seconds=1,
        )

    @property
    def sending(self) -> Sending:
        """Second and third step."""
        return Sending(
            database=self.database,
            clock=self.clock,
            chain=self.nodes,
            fee_ceiling_wei=self.ceiling_wei,
            stuck_seconds=60,
            balance_floor_wei=self.floor_wei,
        )

    @property
    def settling(self) -> Settling:
        """Fourth step."""
        return Settling(database=self.database, clock=self.clock, chain=self.nodes, confirmations=self.confirmations)

    @property
    def rechecking(self) -> Rechecking:
        """Beside the steps."""
        return Rechecking(database=self.database, clock=self.clock, chain=self.nodes, confirmations=self.confirmations)

    @property
    def reporting(self) -> Reporting:
        """Last step."""
        return Reporting(database=self.database, clock=self.clock, factory=self.factory)

    @property
    def writer(self) -> Writer:
        """All steps but the last, as the worker takes them."""
        return Writer(
            guarding=self.guarding,
            collecting=self.collecting,
            sending=self.sending,
            settling=self.settling,
            rechecking=self.rechecking,
            filling=self.filling,
            observing=Observing(database=self.database, clock=self.clock, chain=self.nodes),
            poll_seconds=1,
            on_outcome=lambda: None,
        )

    async def submit(self, *roots: bytes) -> list[Anchor]:
        """Submit roots, a batch each, of 1, 2, 3 ... units."""
        return [
            await self.anchors.submit(batch_id=uuid4(), merkle_root=root, tree_size=size)
            for size, root in enumerate(roots, 1)
        ]

    async def send(self) -> None:
        """Collect, sign and broadcast."""
        await self.collecting.collect()
        await self.sending.sign()
        await self.sending.broadcast()

    async def latest_mined(self) -> TransactionReceipt:
        """Wait until the newest transaction is in a block."""
        return await mined(self.chain, (await self.transactions())[-1].tx_hash)

    async def state(self, anchor: Anchor) -> AnchorState:
        """Where an anchor stands."""
        return (await self.anchors.get(anchor.batch_id)).state

    async def rows(self, query: str, **parameters: Any) -> list[Any]:
        """Look into the tables."""
        async with self.database.reading() as tx:
            return list(await tx.connection.execute(text(query), parameters))

    async def transactions(self) -> list[Any]:
        """All transactions, oldest first."""
        return await self.rows(
            "SELECT t.*, nonce FROM anchor.transactions t JOIN anchor.anchor_trees USING (tree_id) ORDER BY signed_at"
        )

    async def batch_ids(self) -> list[UUID]:
        """Batches that Factory has heard of, in the order of hearing."""
        return [outcome.batch_id for outcome in self.factory.heard]
