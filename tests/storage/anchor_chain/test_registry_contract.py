"""AnchorRegistry on a real chain, called as any third party would: through its ABI, not through our client."""

import hashlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import ContractLogicError, Web3RPCError

from deploy.local.anvil import Anvil
from services.anchor.contract.artifact import ARTIFACT_PATH
from services.anchor.contract.deploy import Deployment
from tests.storage.anchor_chain.development import OWNER, STRANGER, WRITER

ROOT, OTHER_ROOT, THIRD_ROOT = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
ZERO = "0x" + "00" * 20


class Registry:
    """The contract through web3's own binding of the published ABI."""

    def __init__(self, web3: Any, address: str) -> None:
        self.web3 = web3
        abi = json.loads(ARTIFACT_PATH.read_text())["abi"]
        self.contract = web3.eth.contract(address=address, abi=abi)

    async def send(self, function: str, *arguments: Any, sender: str = WRITER.address, **fields: Any) -> Any:
        """Transact and return the receipt; a refusal raises before anything is sent."""
        call = self.contract.functions[function](*arguments)
        tx_hash = await call.transact({"from": sender, **fields})
        receipt = await self.web3.eth.wait_for_transaction_receipt(tx_hash, timeout=10)
        assert receipt["status"] == 1
        return receipt

    async def read(self, function: str, *arguments: Any) -> Any:
        return await self.contract.functions[function](*arguments).call()

    def events(self, name: str, receipt: Any) -> list[dict[str, Any]]:
        return [dict(event["args"]) for event in self.contract.events[name]().process_receipt(receipt)]


@pytest.fixture
async def registry(anvil: Anvil, deployment: Deployment) -> AsyncIterator[Registry]:
    web3 = AsyncWeb3(AsyncHTTPProvider(anvil.url))
    yield Registry(web3, deployment.contract_address)
    await web3.provider.disconnect()


def refused(reason: str) -> Any:
    return pytest.raises(ContractLogicError, match=f"'execution reverted: {reason}'")


async def test_a_root_is_anchored_with_the_time_of_its_block(registry: Registry) -> None:
    receipt = await registry.send("anchor", ROOT, 7)
    block = await registry.web3.eth.get_block(receipt["blockNumber"])
    assert await registry.read("anchoredAt", ROOT) == block["timestamp"]
    assert await registry.read("sizeOf", ROOT) == 7
    assert await registry.read("blockOf", ROOT) == block["number"]
    assert registry.events("Anchored", receipt) == [
        {"root": ROOT, "size": 7, "timestamp": block["timestamp"], "writer": WRITER.address}
    ]


async def test_the_event_has_the_topic_and_layout_that_receipts_promise(registry: Registry) -> None:
    receipt = await registry.send("anchor", ROOT, 7)
    (log,) = receipt["logs"]
    # `cast sig-event "Anchored(bytes32 indexed,uint64,uint64,address indexed)"`
    assert log["topics"][0].hex() == "d544f0fdf055021034cd7d508af2f239d8bfef694832258eafe43a50501a2fbd"
    assert bytes(log["topics"][1]) == ROOT
    assert bytes(log["topics"][2]) == bytes(12) + bytes.fromhex(WRITER.address[2:])
    assert int.from_bytes(log["data"][:32], "big") == 7
    assert len(log["data"]) == 64


async def test_an_unknown_root_reads_as_zero(registry: Registry) -> None:
    for function in ("anchoredAt", "sizeOf", "blockOf"):
        assert await registry.read(function, ROOT) == 0


async def test_the_largest_size_is_kept_whole(registry: Registry) -> None:
    receipt = await registry.send("anchor", ROOT, 2**64 - 1)
    assert await registry.read("sizeOf", ROOT) == 2**64 - 1
    assert await registry.read("blockOf", ROOT) == receipt["blockNumber"]


async def test_anchoring_again_changes_nothing_and_emits_nothing(registry: Registry, anvil: Anvil) -> None:
    await registry.send("anchor", ROOT, 7)
    before = [await registry.read(name, ROOT) for name in ("anchoredAt", "sizeOf", "blockOf")]
    anvil.call("evm_increaseTime", 3600)
    receipt = await registry.send("anchor", ROOT, 7)
    assert receipt["logs"] == []
    assert [await registry.read(name, ROOT) for name in ("anchoredAt", "sizeOf", "blockOf")] == before


async def test_the_same_root_with_another_size_is_refused(registry: Registry) -> None:
    await registry.send("anchor", ROOT, 7)
    with refused("size conflict"):
        await registry.send("anchor", ROOT, 8)
    assert await registry.read("sizeOf", ROOT) == 7


async def test_many_roots_are_anchored_in_order(registry: Registry) -> None:
    receipt = await registry.send("anchorMany", [(ROOT, 1), (OTHER_ROOT, 2)])
    assert [(event["root"], event["size"]) for event in registry.events("Anchored", receipt)] == [
        (ROOT, 1),
        (OTHER_ROOT, 2),
    ]


async def test_many_roots_with_an_old_one_anchor_the_new_ones_once(registry: Registry) -> None:
    await registry.send("anchor", ROOT, 1)
    receipt = await registry.send("anchorMany", [(OTHER_ROOT, 2), (ROOT, 1), (OTHER_ROOT, 2)])
    assert [event["root"] for event in registry.events("Anchored", receipt)] == [OTHER_ROOT]


@pytest.mark.parametrize(
    ("roots", "reason"),
    [
        ([], "no roots"),
        ([(OTHER_ROOT, 1), (b"\x00" * 32, 1)], "zero root"),
        ([(OTHER_ROOT, 1), (THIRD_ROOT, 0)], "zero size"),
        ([(OTHER_ROOT, 1), (ROOT, 2)], "size conflict"),
        ([(OTHER_ROOT, 1), (OTHER_ROOT, 2)], "size conflict"),
    ],
)
async def test_many_roots_with_a_bad_one_anchor_none(registry: Registry, roots: list[Any], reason: str) -> None:
    await registry.send("anchor", ROOT, 1)
    with refused(reason):
        await registry.send("anchorMany", roots)
    assert await registry.read("anchoredAt", OTHER_ROOT) == 0


async def test_a_mined_refusal_leaves_no_root_behind(registry: Registry) -> None:
    call = registry.contract.functions.anchorMany([(OTHER_ROOT, 1), (bytes(32), 1)])
    tx_hash = await call.transact({"from": WRITER.address, "gas": 200_000})
    receipt = await registry.web3.eth.wait_for_transaction_receipt(tx_hash, timeout=10)
    assert (receipt["status"], receipt["logs"]) == (0, [])
    assert await registry.read("anchoredAt", OTHER_ROOT) == 0


async def test_256_roots_fit_and_257_do_not(registry: Registry) -> None:
    roots = [(index.to_bytes(32, "big"), 1) for index in range(1, 258)]
    with pytest.raises(ContractLogicError):
        await registry.send("anchorMany", roots)
    receipt = await registry.send("anchorMany", roots[:256])
    assert len(registry.events("Anchored", receipt)) == 256
    assert receipt["gasUsed"] < 16_777_216  # EIP-7825


@pytest.mark.parametrize(("root", "size", "reason"), [(bytes(32), 1, "zero root"), (ROOT, 0, "zero size")])
async def test_an_empty_root_or_tree_is_refused(registry: Registry, root: bytes, size: int, reason: str) -> None:
    with refused(reason):
        await registry.send("anchor", root, size)


async def test_only_writers_anchor(registry: Registry) -> None:
    for sender in (OWNER.address, STRANGER.address):
        with refused("not a writer"):
            await registry.send("anchor", ROOT, 1, sender=sender)
        with refused("not a writer"):
            await registry.send("anchorMany", [(ROOT, 1)], sender=sender)


async def test_the_owner_adds_and_removes_writers(registry: Registry) -> None:
    receipt = await registry.send("setWriter", STRANGER.address, True, sender=OWNER.address)
    assert registry.events("WriterSet", receipt) == [{"writer": STRANGER.address, "allowed": True}]
    await registry.send("anchor", ROOT, 1, sender=STRANGER.address)
    await registry.send("setWriter", STRANGER.address, False, sender=OWNER.address)
    assert await registry.read("writers", STRANGER.address) is False
    with refused("not a writer"):
        await registry.send("anchor", OTHER_ROOT, 1, sender=STRANGER.address)
    assert await registry.read("anchoredAt", ROOT) > 0


async def test_nobody_else_sets_writers_and_zero_is_none(registry: Registry) -> None:
    with refused("not the owner"):
        await registry.send("setWriter", WRITER.address, True, sender=WRITER.address)
    with refused("zero writer"):
        await registry.send("setWriter", ZERO, True, sender=OWNER.address)


async def test_the_owner_changes_only_when_the_next_one_accepts(registry: Registry) -> None:
    receipt = await registry.send("proposeOwner", STRANGER.address, sender=OWNER.address)
    assert registry.events("OwnerProposed", receipt) == [{"owner": OWNER.address, "proposed": STRANGER.address}]
    assert await registry.read("owner") == OWNER.address
    assert await registry.read("proposedOwner") == STRANGER.address
    receipt = await registry.send("acceptOwner", sender=STRANGER.address)
    assert registry.events("OwnerChanged", receipt) == [{"previous": OWNER.address, "owner": STRANGER.address}]
    assert await registry.read("owner") == STRANGER.address
    assert await registry.read("proposedOwner") == ZERO
    with refused("not the owner"):
        await registry.send("setWriter", WRITER.address, False, sender=OWNER.address)
    with refused("not the proposed owner"):
        await registry.send("acceptOwner", sender=STRANGER.address)


async def test_nobody_takes_the_ownership(registry: Registry) -> None:
    with refused("not the owner"):
        await registry.send("proposeOwner", WRITER.address, sender=WRITER.address)
    with refused("not the proposed owner"):
        await registry.send("acceptOwner", sender=WRITER.address)
    await registry.send("proposeOwner", STRANGER.address, sender=OWNER.address)
    with refused("not the proposed owner"):
        await registry.send("acceptOwner", sender=WRITER.address)


async def test_a_proposal_can_be_withdrawn(registry: Registry) -> None:
    await registry.send("proposeOwner", STRANGER.address, sender=OWNER.address)
    await registry.send("proposeOwner", ZERO, sender=OWNER.address)
    with refused("not the proposed owner"):
        await registry.send("acceptOwner", sender=STRANGER.address)


async def test_no_function_takes_ether(registry: Registry) -> None:
    address = registry.contract.address
    selectors = {
        "": "a plain transfer",
        registry.contract.encode_abi("anchor", [ROOT, 1]): "anchor",
        registry.contract.encode_abi("anchorMany", [[(ROOT, 1)]]): "anchorMany",
        registry.contract.encode_abi("acceptOwner"): "acceptOwner",
        "0xdeadbeef": "an unknown function",
    }
    for data in selectors:
        with pytest.raises((ContractLogicError, Web3RPCError), match="revert"):
            await registry.web3.eth.send_transaction(
                {"from": WRITER.address, "to": address, "value": 1, "data": data or "0x"}
            )
    assert await registry.web3.eth.get_balance(address) == 0


async def test_gas_of_each_call(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    """Reports; the only limit is the one that a design decision stands on."""
    figures = {}
    for count in (1, 2, 16, 64, 256):
        roots = [(hashlib.sha256(f"{count} {index}".encode()).digest(), 1) for index in range(count)]
        arguments = ("anchor", *roots[0]) if count == 1 else ("anchorMany", roots)
        figures[f"anchor {count}"] = (await registry.send(*arguments))["gasUsed"]
    figures["anchor again"] = (await registry.send("anchor", hashlib.sha256(b"1 0").digest(), 1))["gasUsed"]
    owner = {"sender": OWNER.address}
    figures["setWriter"] = (await registry.send("setWriter", STRANGER.address, True, **owner))["gasUsed"]
    figures["proposeOwner"] = (await registry.send("proposeOwner", STRANGER.address, **owner))["gasUsed"]
    figures["acceptOwner"] = (await registry.send("acceptOwner", sender=STRANGER.address))["gasUsed"]
    with capsys.disabled():
        sys.stdout.write("\ngas: " + ", ".join(f"{name} {gas:,}" for name, gas in figures.items()) + "\n")
    assert figures["anchor 1"] < 50_000  # one storage slot per root
    assert figures["anchor again"] < 30_000  # and none when it stands
