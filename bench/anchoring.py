"""Roots anchored an hour with 10,000 of them waiting, against one transaction for each root; and gas for each call.

`python -m bench.anchoring [--roots N] [--singles N]`. One worker as in production writes to one chain with a block
every two seconds, two blocks deep, in turn: with as many roots in a transaction as it likes, then with one. Both keep
the same discipline: one transaction at a time waits for its first block. Time runs from when the worker is up until the
last root is confirmed. Then every function of the registry is called once, on a chain that makes a block for each call.
"""

import argparse
import asyncio
import hashlib
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from bench import report
from bench.anchor_room import Room, open_room
from deploy.local.anvil import CHAIN_ID
from services.anchor.contract.deploy import deploy
from services.anchor.node import EvmNode, open_rpc
from services.anchor.signer import FileSigner
from services.anchor.transactions import encode_call, sign

AIM = 1_000
BLOCK_SECONDS = 2
_MANY = (1, 2, 16, 64, 256)
_ZERO = "0x" + "00" * 20


def main() -> None:
    """Measure, print the ratio and the gas, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--roots", type=int, default=10_000)
    options.add_argument("--singles", type=int, default=15)
    asked = options.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="voketag-bench-") as name,
        open_room(Path(name), block_seconds=BLOCK_SECONDS) as room,
    ):
        together = _anchored_an_hour(room, asked.roots, most=10_000)
        singly = _anchored_an_hour(room, asked.singles, most=1)
        gas_of_roots = int(room.postgres.sql("SELECT max(gas_used) FROM anchor.transactions"))
    with (
        tempfile.TemporaryDirectory(prefix="voketag-bench-") as name,
        open_room(Path(name), block_seconds=None) as room,
    ):
        gas = asyncio.run(_gas(room))
    report.write(
        "anchoring",
        {
            "block_seconds": BLOCK_SECONDS,
            "roots": asked.roots,
            "singles": asked.singles,
            "roots_an_hour": together,
            "roots_an_hour_one_a_transaction": singly,
            "ratio": together / singly,
            "gas_per_root_in_one_tree": gas_of_roots / asked.roots,
            "gas": gas,
        },
    )
    times = f"{together / singly:,.0f} times"
    print(
        f"{asked.roots:,} waiting roots are anchored at {times} the rate of one a transaction (aim: at least {AIM:,})"
    )
    print(
        f"gas for a root: {gas['anchor 1']:,} by itself, {gas_of_roots / asked.roots:.1f} under one of {asked.roots:,}"
    )
    print("gas: " + ", ".join(f"{call} {used:,}" for call, used in gas.items()))


def _anchored_an_hour(room: Room, roots: int, *, most: int) -> float:
    before = room.confirmed()
    room.wait_in_line(roots)
    with room.worker(MAX_ROOTS_PER_TRANSACTION=str(most), POLL_SECONDS="0.5", AGGREGATION_SECONDS="0"):
        started = time.perf_counter()
        while room.confirmed() < before + roots:
            if time.perf_counter() - started > 120 + 3 * BLOCK_SECONDS * roots / most:
                raise SystemExit(f"the roots are not confirmed in time: see {room.folder}/logs/worker.log")
            time.sleep(0.25)
        return roots / (time.perf_counter() - started) * 3600


async def _gas(room: Room) -> dict[str, int]:
    """Call each function of a registry of its own once; return the gas that each used."""
    signer = FileSigner(room.keys.chain_key)
    node = EvmNode(rpc=await open_rpc(room.anvil.url), chain_id=CHAIN_ID, fee_ceiling_wei=10**12)
    async with aclosing(node):
        deployed = await deploy(node=node, signer=signer)
        used = {"deployment": deployed.gas_used}
        calls = [
            ("setWriter", encode_call("setWriter", ["address", "bool"], [_ZERO[:-1] + "1", True])),
            ("proposeOwner", encode_call("proposeOwner", ["address"], [signer.address])),
            ("acceptOwner", encode_call("acceptOwner", [], [])),
        ]
        for count in _MANY:
            roots = [(hashlib.sha256(f"{count} {index}".encode()).digest(), 1) for index in range(count)]
            one = encode_call("anchor", ["bytes32", "uint64"], roots[0])
            many = encode_call("anchorMany", ["(bytes32,uint64)[]"], [roots])
            calls.append((f"anchor {count}", one if count == 1 else many))
        calls.append(
            ("anchor again", encode_call("anchor", ["bytes32", "uint64"], (hashlib.sha256(b"1 0").digest(), 1)))
        )
        for name, data in calls:
            used[name] = await _call(node, signer, deployed.contract_address, data)
    return used


async def _call(node: EvmNode, signer: FileSigner, contract: str, data: bytes) -> int:
    signed = await sign(
        signer,
        chain_id=CHAIN_ID,
        to=contract,
        data=data,
        nonce=await node.mined_nonce_of(signer.address),
        gas_limit=await node.estimate(sender=signer.address, to=contract, data=data),
        fees=await node.suggest_fees(),
    )
    await node.broadcast(signed.raw)
    while (receipt := await node.receipt(signed.tx_hash)) is None:  # noqa: ASYNC110 - it is another process
        await asyncio.sleep(0.02)
    assert receipt.succeeded
    return receipt.gas_used


if __name__ == "__main__":
    main()
