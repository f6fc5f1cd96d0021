"""What operators see of the writer."""

from prometheus_client import REGISTRY

from services.anchor.model import AnchorState
from services.anchor.operations.observing import Observing
from services.anchor.storage import chains
from tests.storage.anchor.line import Line
from tests.storage.anchor_chain.development import WRITER

ROOT = b"\x01" * 32


def metric(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"voketag_anchor_{name}", {"chain": "main", **labels})


async def test_the_gauges_show_queue_chain_and_balance(line: Line) -> None:
    await line.submit(ROOT, b"\x02" * 32)
    await Observing(database=line.database, clock=line.clock, chain=line.nodes).observe()
    assert metric("anchors", state="pending") == 2
    assert metric("anchors", state="submitted") == 0
    assert metric("balance_wei") == await line.chain.balance()
    age = metric("head_age_seconds")
    assert age is not None
    assert abs(age) < 600  # anvil gives each of a crowd of blocks a second of its own


async def test_the_gauges_show_how_long_roots_wait_and_what_comes_next(line: Line) -> None:
    observing = Observing(database=line.database, clock=line.clock, chain=line.nodes)
    await line.submit(ROOT)
    line.clock.pass_by(90)
    await observing.observe()
    waited = metric("oldest_pending_seconds")
    assert waited is not None
    assert 90 <= waited < 100
    assert metric("nonce") == 0
    assert metric("base_fee_wei") == (await line.chain.head()).base_fee_wei


async def test_the_cost_of_a_root_is_that_of_the_newest_confirmed_transaction(line: Line) -> None:
    for number, count in enumerate((1, 4)):
        await line.submit(*(bytes([number, index]) * 16 for index in range(1, count + 1)))
        await line.send()
        receipt = await line.latest_mined()
        await line.settling.settle()
        await Observing(database=line.database, clock=line.clock, chain=line.nodes).observe()
        assert receipt.gas_price_wei is not None
        assert metric("cost_per_root_wei") == -(-receipt.gas_used * receipt.gas_price_wei // count)
    assert metric("oldest_pending_seconds") == 0


async def test_the_last_error_stays_when_all_is_well_again(line: Line) -> None:
    observing = Observing(database=line.database, clock=line.clock, chain=line.nodes)
    at = line.clock.now()
    await observing.say("the sun shines")
    line.clock.pass_by(60)
    await observing.say("")
    async with line.database.reading() as tx:
        standing = await chains.standing(tx, line.chain.chain_id)
    assert (standing.sender, standing.waits_for, standing.last_error) == (WRITER.address, "", "the sun shines")
    assert standing.last_error_at is not None
    assert abs((standing.last_error_at - at).total_seconds()) < 5


async def test_what_another_worker_said_meanwhile_is_taken_back(line: Line) -> None:
    ours, others = (Observing(database=line.database, clock=line.clock, chain=line.nodes) for _ in range(2))
    await ours.say("")
    await others.say("the sun shines")
    await ours.say("")
    async with line.database.reading() as tx:
        assert await chains.said(tx, line.chain.chain_id) == (WRITER.address, "")


async def test_what_is_said_again_writes_nothing(line: Line) -> None:
    observing = Observing(database=line.database, clock=line.clock, chain=line.nodes)
    for text in ("the sun shines", ""):
        await observing.say(text)
        (before,) = await line.rows("SELECT xmin::text AS version, last_error_at FROM anchor.chains")
        line.clock.pass_by(60)
        await observing.say(text)
        assert await line.rows("SELECT xmin::text AS version, last_error_at FROM anchor.chains") == [before]


async def test_confirmed_roots_transactions_and_gas_are_counted(line: Line) -> None:
    before = [metric("confirmed_roots_total"), metric("transactions_total", event="confirmed"), metric("gas_total")]
    await line.submit(ROOT, b"\x02" * 32)
    await line.send()
    receipt = await line.latest_mined()
    await line.settling.settle()
    after = [metric("confirmed_roots_total"), metric("transactions_total", event="confirmed"), metric("gas_total")]
    grown = [(new or 0) - (old or 0) for old, new in zip(before, after, strict=True)]
    assert grown == [2, 1, receipt.gas_used]


async def test_the_reason_for_waiting_is_told_to_whoever_asks_and_taken_back(line: Line) -> None:
    (anchor,) = await line.submit(ROOT)
    observing = Observing(database=line.database, clock=line.clock, chain=line.nodes)
    await observing.say("the sun shines")
    assert (await line.anchors.get(anchor.batch_id)).error == "the sun shines"
    assert metric("waiting") == 1
    await observing.say("")
    found = await line.anchors.get(anchor.batch_id)
    assert (found.state, found.error) == (AnchorState.PENDING, "")
    assert metric("waiting") == 0
    async with line.database.reading() as tx:
        assert await chains.said(tx, line.chain.chain_id) == (WRITER.address, "")
