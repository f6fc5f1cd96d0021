"""Issue a large batch end to end, without the chain, against a plain COPY of as many rows into the same table.

`python -m bench.issue_batch [--units N] [--rounds N]`. A round orders a batch and waits until the running worker has
all of its units, tiles and root; then one connection copies the same number of ready-made rows, in the same binary
form, as one plain COPY. Rounds alternate the two, so that both meet the same machine and the same table.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg

from bench import report
from bench.factory_room import KEY_ID, SECRET, Room, open_room
from services.factory.copy_format import HEADER, TRAILER
from services.factory.minting import mint_chunk
from services.factory.model.issuing import CHUNK_UNITS, ChunkOrder
from services.factory.model.serials import serial_prefix
from services.factory.storage import batches as storage
from services.factory.storage.issuing import UNIT_COLUMNS
from voketag_kernel.codes import UnitCodeKey


async def main() -> None:
    """Run the rounds, print ratios, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--units", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--processes", type=int, default=1)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="voketag-bench-") as folder:
        async with open_room(Path(folder)) as room:
            with room.worker(processes=asked.processes) as pid:
                await room.warm()  # a worker in production has its processes running and its code compiled
                rounds = [await _round(room, asked.units) for _ in range(asked.rounds)]
                memory = {str(process): _peak_rss_mib(process) for process in _family(pid)}
    issue = statistics.median(figures["issue_seconds"] for figures in rounds)
    copy = statistics.median(figures["copy_seconds"] for figures in rounds)
    report.write(
        "issue_batch",
        {
            "units": asked.units,
            "processes": asked.processes,
            "rounds": rounds,
            "ratio_of_medians": issue / copy,
            "worker_peak_rss_mib": memory,
            "worker_peak_rss_mib_sum": sum(memory.values()),
        },
    )
    print(
        f"issuing {asked.units:,} units took {issue / copy:.2f} times a plain COPY of them (medians of {asked.rounds})"
    )
    each = ", ".join(f"{mib:.0f}" for mib in memory.values())
    print(f"worker memory at its peak: {sum(memory.values()):.0f} MiB in all (parent and children: {each})")


async def _round(room: Room, units: int) -> dict[str, float]:
    started = time.perf_counter()
    await room.issued(await room.order(units))
    issued = time.perf_counter() - started
    rows = await _rows(room, units)
    connection = await asyncpg.connect(room.postgres.url("voketag_factory"))  # type: ignore[no-untyped-call]
    try:
        started = time.perf_counter()
        await connection.copy_to_table(
            "units", schema_name="factory", columns=UNIT_COLUMNS, source=_stream(rows), format="binary"
        )
        copied = time.perf_counter() - started
    finally:
        await connection.close()
    return {"issue_seconds": issued, "copy_seconds": copied}


async def _rows(room: Room, units: int) -> list[bytes]:
    """Return one COPY stream of units with numbers of their own, made beforehand."""
    async with room.database.transaction() as tx:
        taken = await storage.allocate_range(tx, key_id=KEY_ID, count=units)
    batch_id, key, pieces = uuid4(), UnitCodeKey(KEY_ID, SECRET), []
    for start in range(0, units, CHUNK_UNITS):
        order = ChunkOrder(
            batch_id=batch_id,
            key_id=KEY_ID,
            first_number=taken.first_number,
            serial_prefix=serial_prefix(batch_id),
            facts_hash=bytes(32),
            start=start,
            count=min(CHUNK_UNITS, units - start),
        )
        rows = mint_chunk(key, order).rows
        last = start + CHUNK_UNITS >= units
        pieces.append(rows[len(HEADER) if start else 0 : len(rows) if last else -len(TRAILER)])
    return pieces


async def _stream(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _family(pid: int) -> list[int]:
    """Return a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *(int(child) for child in children.split())]


def _peak_rss_mib(pid: int) -> float:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


if __name__ == "__main__":
    asyncio.run(main())
