"""The chain of the local stack is one chain, however often its node is started."""

from pathlib import Path

from deploy.local.anvil import Anvil

STARTS = 8


def test_a_node_that_is_started_again_goes_on_with_the_chain_it_began(tmp_path: Path) -> None:
    blocks = []
    for _ in range(STARTS):
        anvil = Anvil(tmp_path, block_seconds=None)
        anvil.start()
        anvil.call("evm_mine")
        blocks.append((anvil.call("eth_getBlockByNumber", "0x0", False)["hash"], anvil.call("eth_blockNumber")))
        anvil.stop()

    (first,) = {first for first, _ in blocks}
    assert blocks == [(first, hex(number)) for number in range(1, STARTS + 1)]
