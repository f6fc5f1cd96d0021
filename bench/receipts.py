"""The proof of a unit in a large batch against one in a small batch, through the RPC that GetReceipt stands on.

`python -m bench.receipts [--calls N]`. Both batches are issued by a real worker; the calls, for units at random,
alternate between the two over one connection.
"""

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

import grpc

from bench import report
from bench.factory_room import KEY_ID, Room, open_room, server_settings
from services.common.clock import SystemClock
from services.common.tokens import TokenSigner
from services.factory.app import open_app
from services.factory.model.batches import Batch
from voketag.factory.v1 import factory_pb2, factory_pb2_grpc
from voketag_kernel.codes import parse
from voketag_kernel.receipts import facts_hash, unit_leaf_data
from voketag_kernel.rfc6962 import leaf_hash, verify_inclusion

LARGE, SMALL = 1_000_000, 1_000
_WARM_UP_CALLS = 100


async def main() -> None:
    """Issue both batches, call, print the ratio, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=2000)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="voketag-bench-") as folder:
        async with open_room(Path(folder)) as room:
            with room.worker(processes=2):
                batches = {size: await room.issued(await room.order(size)) for size in (LARGE, SMALL)}
            async with (
                open_app(server_settings(room)) as server,
                grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as link,
            ):
                seconds = await _measure(factory_pb2_grpc.FactoryServiceStub(link), room, batches, asked.calls)
    median = {size: statistics.median(taken) for size, taken in seconds.items()}
    p99 = {size: statistics.quantiles(taken, n=100)[98] for size, taken in seconds.items()}
    report.write(
        "receipts",
        {
            "calls_each": asked.calls,
            "median_milliseconds": {size: value * 1000 for size, value in median.items()},
            "p99_milliseconds": {size: value * 1000 for size, value in p99.items()},
            "ratio_of_medians": median[LARGE] / median[SMALL],
            "ratio_of_p99": p99[LARGE] / p99[SMALL],
        },
    )
    print(
        f"a proof from {LARGE:,} units took {median[LARGE] / median[SMALL]:.2f} times one from {SMALL:,} "
        f"(medians of {asked.calls} calls each; p99 {p99[LARGE] / p99[SMALL]:.2f})"
    )


async def _measure(
    stub: "factory_pb2_grpc.FactoryServiceAsyncStub", room: Room, batches: dict[int, Batch], calls: int
) -> dict[int, list[float]]:
    signer = TokenSigner(key_file=room.folder / "tokens" / "service-scan-1.pem", clock=SystemClock())
    metadata = (("authorization", f"Bearer {signer.service_token(audience='factory')}"),)
    seconds: dict[int, list[float]] = {size: [] for size in batches}
    for call in range(_WARM_UP_CALLS + calls):
        for size, batch in batches.items():
            unit_id = batch.range.first_unit_id + random.randrange(size)
            started = time.perf_counter()
            proof = await stub.GetUnitProof(factory_pb2.GetUnitProofRequest(unit_id=unit_id), metadata=metadata)
            if call >= _WARM_UP_CALLS:
                seconds[size].append(time.perf_counter() - started)
            _check(proof, batch)
    return seconds


def _check(proof: factory_pb2.UnitProof, batch: Batch) -> None:
    """Make sure that what was measured is a proof; raises InvalidProof."""
    code = parse(proof.code)
    leaf = unit_leaf_data(
        salt=proof.salt,
        raw_code=KEY_ID.to_bytes(2) + code.sealed + code.tag,
        facts_hash=facts_hash(proof.batch_facts),
        serial=proof.serial,
    )
    assert batch.merkle_root is not None
    verify_inclusion(
        leaf_hash(leaf),
        index=proof.leaf_index,
        size=proof.tree_size,
        path=proof.inclusion_path,
        expected_root=batch.merkle_root,
    )


if __name__ == "__main__":
    asyncio.run(main())
