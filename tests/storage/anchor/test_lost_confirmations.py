"""What was confirmed and is gone from the chain is sent again; a node that is only behind changes nothing."""

from deploy.local.anvil import Anvil
from services.anchor.chain import EvmChain
from services.anchor.model import Anchor, AnchorState
from tests.storage.anchor.line import Line
from tests.storage.anchor_chain.development import hold_blocks, mine, mined

ROOT, OTHER_ROOT = b"\x01" * 32, b"\x02" * 32


async def confirmed(line: Line, root: bytes) -> Anchor:
    (anchor,) = await line.submit(root)
    await line.send()
    await line.latest_mined()
    await line.settling.settle()
    await line.reporting.report()
    return await line.anchors.get(anchor.batch_id)


async def test_a_confirmed_transaction_that_the_chain_lost_is_sent_again_and_reported_anew(
    line: Line, chain: EvmChain, anvil: Anvil
) -> None:
    first = await confirmed(line, ROOT)
    second = await confirmed(line, OTHER_ROOT)
    hold_blocks(anvil)
    anvil.call("anvil_rollback", 2)  # as after a crash that cost the node its last blocks
    assert await line.rechecking.recheck() == 0, "the node may just be behind"
    for _ in range(4):
        mine(anvil)
    assert await line.rechecking.recheck() == 2
    for anchor in (first, second):
        lost = await line.anchors.get(anchor.batch_id)
        assert lost.state is AnchorState.SUBMITTED
        assert "threw its transaction out of the chain" in lost.error
    await line.sending.broadcast()
    mine(anvil)
    for row in await line.transactions():
        await mined(chain, row.tx_hash)
    assert await line.settling.settle() == 2
    await line.reporting.report()
    blocks = {outcome.batch_id: outcome.block_number for outcome in line.factory.heard}
    for before in (first, second):
        after = await line.anchors.get(before.batch_id)
        assert (after.state, after.error) == (AnchorState.CONFIRMED, "")
        assert before.inclusion is not None
        assert after.inclusion is not None
        assert after.inclusion.tx_hash == before.inclusion.tx_hash
        assert after.inclusion.block_number > before.inclusion.block_number
        assert blocks[before.batch_id] == after.inclusion.block_number
    assert len(line.factory.heard) == 4
    assert await line.rechecking.recheck() == 0
    assert len(await line.transactions()) == 2


async def test_what_the_chain_still_has_is_left_alone(line: Line, anvil: Anvil) -> None:
    anchor = await confirmed(line, ROOT)
    mine(anvil)
    assert await line.rechecking.recheck() == 0
    assert await line.anchors.get(anchor.batch_id) == anchor
