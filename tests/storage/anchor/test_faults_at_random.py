"""Faults one after another, as hypothesis draws them, and in the end every root stands on the chain exactly once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from deploy.local.anvil import Anvil
from deploy.local.errors import StackError
from services.anchor.chain import EvmChain
from services.anchor.chain_errors import ChainRefused
from services.anchor.model import AnchorState
from services.anchor.signer import FileSigner
from services.common.errors import VokeTagError
from tests.storage.anchor.line import Line
from tests.storage.anchor.meddling import MeddlingNode, meddling_node
from tests.storage.anchor.test_misbehaving_chain import foreign, set_writer
from tests.storage.anchor.truth import WatchfulFactory, anchored_twice, unanchored
from tests.storage.anchor_chain.development import GWEI, OpenChain, hold_blocks, mine

DEPTH = 3


class Trouble:
    """A line, its chain and what can be done to both; every step is one that a worker takes, or that befalls it."""

    def __init__(
        self, line: Line, node: MeddlingNode, direct: EvmChain, *, writer: FileSigner, owner: FileSigner
    ) -> None:
        self.line = line
        self.node = node
        self.direct = direct
        self.writer = writer
        self.owner = owner
        self.roots = 0

    async def submit(self) -> None:
        """A batch comes."""
        self.roots += 1
        await self.line.submit(self.roots.to_bytes(32))

    async def look(self) -> None:
        """A worker's round; the worker is a new one, the one before is dead."""
        self.line.clock.pass_by(2)
        await self.line.writer.look()

    async def two_look(self) -> None:
        """Two workers take the same steps, one after another, as when the right was lost unseen."""
        first, second = self.line.writer, self.line.writer
        self.line.clock.pass_by(2)
        await first.look()
        await second.look()

    async def die_after_signing(self) -> None:
        """A worker collects and signs, and is gone."""
        await self.line.collecting.collect()
        await self.line.sending.sign()

    async def die_after_broadcast(self) -> None:
        """A worker broadcasts, and is gone before it notes it."""
        for row in await self.line.transactions():
            if row.state == "SIGNED":
                await self.direct.broadcast(row.raw)

    async def report(self) -> None:
        """Outcomes go to Factory."""
        self.line.clock.pass_by(61)
        await self.line.reporting.report()

    async def lose_report(self) -> None:
        """Factory takes outcomes, and its answers are lost."""
        self.line.factory.mute = True
        await self.report()
        self.line.factory.mute = False

    async def mine(self) -> None:
        """A block."""
        mine(self.line.anvil)

    async def reorganise(self) -> None:
        """The last two blocks are replaced by empty ones, which is less than the depth."""
        if int(self.line.anvil.call("eth_blockNumber"), 16) > DEPTH + 2:
            self.line.anvil.call("anvil_reorg", 2, [])

    async def drop(self) -> None:
        """The pool forgets all."""
        self.line.anvil.call("anvil_dropAllTransactions")

    async def base_fee_up(self) -> None:
        """The base fee is ten times what it was at first."""
        self.line.anvil.call("anvil_setNextBlockBaseFeePerGas", hex(10 * GWEI))
        mine(self.line.anvil)

    async def time_passes(self) -> None:
        """Long enough to be stuck."""
        self.line.clock.pass_by(61)

    async def use_the_key_elsewhere(self) -> None:
        """A foreign transaction takes the next nonce, if the pool lets it."""
        await foreign(self.direct, self.writer, nonce=await self.direct.mined_nonce())

    async def forbid(self) -> None:
        """The key may not write any more; what waits for its block beside this finds that out in the block."""
        await set_writer(self.direct, self.owner, allowed=False, tip_wei=50 * GWEI)

    async def allow(self) -> None:
        """The key may write."""
        await set_writer(self.direct, self.owner, allowed=True, tip_wei=60 * GWEI)

    async def be_refused(self) -> None:
        """What was signed meets a contract that refuses it, in a block and at its depth, and then may write again."""
        await self.line.collecting.collect()
        await self.line.sending.sign()
        await self.die_after_broadcast()
        await self.forbid()
        mine(self.line.anvil)
        await self.allow()
        for _ in range(DEPTH):
            mine(self.line.anvil)
        await self.look()

    async def starve(self) -> None:
        """The node's estimates are too low: what is signed runs out of gas."""
        self.node.lies["eth_estimateGas"] = lambda _parameters, _true: hex(35_000)

    async def retry(self) -> None:
        """Somebody wants all that waits to be tried now."""
        for row in await self.line.rows("SELECT anchor_id FROM anchor.anchors WHERE state = 'PENDING'"):
            await self.line.anchors.retry(row.anchor_id)

    async def down(self) -> None:
        """The node answers nothing."""
        self.node.status = 503

    async def limited(self) -> None:
        """The node answers too rarely."""
        self.node.status = 429

    async def emptied(self) -> None:
        """The node answers as one that was started anew, with a chain of its own."""
        other = "0x" + "ee" * 32
        self.node.lies |= {
            "eth_getBlockByNumber": lambda asked, true: {**true, "hash": other} if asked[0] == "0x0" else true,
            "eth_getTransactionCount": lambda _asked, _true: "0x0",
            **dict.fromkeys(("eth_getCode", "eth_call"), lambda _asked, _true: "0x"),
            **dict.fromkeys(("eth_getTransactionReceipt", "eth_getTransactionByHash"), lambda _asked, _true: None),
            "eth_getLogs": lambda _asked, _true: [],
        }

    async def swallow(self) -> None:
        """The node takes transactions and passes none on."""
        self.node.swallows = True

    async def well(self) -> None:
        """The node is as it should be."""
        self.node.status = 200
        self.node.swallows = False
        self.node.lies.clear()

    async def recover(self) -> None:
        """All trouble is over; the chain goes on until nothing is left to do."""
        await self.well()
        self.line.anvil.call("anvil_dropAllTransactions")
        await self.allow()
        for _ in range(60):
            self.line.clock.pass_by(60)
            await self.line.writer.look()
            await self.line.reporting.report()
            mine(self.line.anvil)
            if not await self.line.rows("SELECT 1 FROM anchor.anchors WHERE reported_at IS NULL"):
                return
        left = await self.line.rows("SELECT state, tree_id FROM anchor.anchors WHERE reported_at IS NULL")
        (said,) = await self.line.rows("SELECT waits_for FROM anchor.chains")
        raise AssertionError(f"not done after 60 rounds: {left}, {said}")


STEPS: tuple[Callable[[Trouble], Awaitable[None]], ...] = (
    *(Trouble.submit, Trouble.look, Trouble.two_look, Trouble.die_after_signing, Trouble.die_after_broadcast),
    *(Trouble.report, Trouble.lose_report, Trouble.mine, Trouble.reorganise, Trouble.drop, Trouble.base_fee_up),
    *(Trouble.forbid, Trouble.allow, Trouble.be_refused, Trouble.starve, Trouble.retry),
    *(Trouble.time_passes, Trouble.use_the_key_elsewhere, Trouble.down, Trouble.limited, Trouble.swallow, Trouble.well),
    Trouble.emptied,
)


@pytest.fixture
async def trouble(
    *, line: Line, anvil: Anvil, chain: EvmChain, writer: FileSigner, owner: FileSigner, open_chain: OpenChain
) -> AsyncIterator[Trouble]:
    async with meddling_node(anvil.url) as node:
        line.chain = await open_chain(node.url, chain.contract_address, writer)
        line.confirmations = DEPTH
        line.factory = WatchfulFactory(anvil, chain.contract_address, depth=DEPTH)  # type: ignore[assignment]
        hold_blocks(anvil)
        yield Trouble(line, node, chain, writer=writer, owner=owner)


@settings(
    max_examples=8,
    deadline=None,
    # Shrinking would take many minutes; the steps are few enough to be read.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    # Every example goes on where the last one ended, all of its roots confirmed: harder than an empty chain.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=5, max_size=25))
async def test_whatever_happens_each_root_is_confirmed_once_and_told_no_earlier(
    trouble: Trouble, steps: list[Callable[[Trouble], Awaitable[None]]]
) -> None:
    line = trouble.line
    await trouble.submit()
    await line.guarding.guard()  # the chain that is met first is ours
    for step in steps:
        note(step.__name__)
        with suppress(VokeTagError, ChainRefused, StackError):  # what the worker's round would have caught
            await step(trouble)
        assert await unanchored(line, line.anvil) == []
        assert await line.rows("SELECT 1 FROM anchor.anchors WHERE state = 'FAILED'") == []
    await trouble.recover()
    assert await unanchored(line, line.anvil) == []
    assert await anchored_twice(line) == []
    assert line.factory.too_early == []  # type: ignore[attr-defined]
    states = await line.rows("SELECT DISTINCT state FROM anchor.anchors")
    assert [row.state for row in states] == ["CONFIRMED"]
    assert {outcome.state for outcome in line.factory.heard} == {AnchorState.CONFIRMED}
    heard = {outcome.batch_id for outcome in line.factory.heard}
    assert len(heard) == trouble.roots
    mined = await line.rows(
        "SELECT nonce, count(*) AS times FROM anchor.anchor_trees WHERE nonce IS NOT NULL GROUP BY nonce"
    )
    assert all(row.times == 1 for row in mined)
