"""Import a CSV file of many rows, and export the batch, against a plain COPY and its codes derived in Python.

`python -m bench.csv_files [--rows N] [--rounds N]`. A round checks a file as it would arrive over the stream, orders
its batch, and waits until the running worker has issued it; then one connection copies ready-made rows of the same
serials as one plain COPY. The export goes through all that the server does for it, transport aside, in this process;
its memory is read before and after.
"""

import argparse
import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

import asyncpg

from bench import report
from bench.factory_room import KEY_ID, SECRET, Room, open_room
from bench.issue_batch import _family, _peak_rss_mib, _stream
from services.common.clock import SystemClock
from services.factory.convert.units import csv_slice
from services.factory.copy_format import HEADER, TRAILER
from services.factory.fast_derivation import FastDerivation
from services.factory.hot_state import HotState
from services.factory.minting import mint_chunk
from services.factory.model.batches import Batch, BatchOrder
from services.factory.model.issuing import CHUNK_UNITS, ChunkOrder
from services.factory.operations.imports import Imports
from services.factory.operations.units import Units
from services.factory.storage import batches as storage
from services.factory.storage.issuing import UNIT_COLUMNS
from voketag_kernel.codes import KeyRing, UnitCodeKey

_PIECE_BYTES = 256 * 1024


async def main() -> None:
    """Run the rounds, print ratios, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--processes", type=int, default=2)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="voketag-bench-") as folder:
        async with open_room(Path(folder)) as room:
            with room.worker(processes=asked.processes) as pid:
                await room.issued(await room.order(1000))  # a worker in production has its processes running
                before = _own_peak_mib()
                rounds = [await _round(room, number, asked.rows) for number in range(asked.rounds)]
                own_growth = _own_peak_mib() - before
                memory = {str(process): _peak_rss_mib(process) for process in _family(pid)}
            export = await _export(room, rounds[-1][0])
    figures = [each for _, each in rounds]
    whole, copy = (statistics.median(each[name] for each in figures) for name in ("import_seconds", "copy_seconds"))
    report.write(
        "csv_files",
        {
            "rows": asked.rows,
            "processes": asked.processes,
            "rounds": figures,
            "ratio_of_medians": whole / copy,
            "server_peak_rss_growth_mib": own_growth,
            "worker_peak_rss_mib": memory,
            "export": export,
        },
    )
    print(
        f"importing {asked.rows:,} rows took {whole / copy:.2f} times a plain COPY of them (medians of {asked.rounds})"
    )
    print(
        f"exporting: {export['rows_per_cpu_second']:,.0f} rows a second of processor, "
        f"{export['seconds'] / export['derivation_seconds']:.2f} times the bare derivation of the codes in Python, "
        f"{export['rss_growth_mib']:.0f} MiB more memory"
    )


async def _round(room: Room, number: int, rows: int) -> tuple[Batch, dict[str, float]]:
    serials = [b"R%d-%012d" % (number, row) for row in range(rows)]
    imports = Imports(database=room.database, clock=SystemClock(), batches=room.batches)
    file = b"serial\r\n" + b"\r\n".join(serials) + b"\r\n"
    started = time.perf_counter()
    async with imports.checked(room.tenant_id, room.product_id, _pieces(file)) as checked:
        read = time.perf_counter()
        async with room.database.transaction() as tx:
            order = BatchOrder(room.product_id, 0)
            batch = await imports.create(tx, room.tenant_id, order, checked, who="bench")
    ordered = time.perf_counter()
    await room.issued(batch)
    issued = time.perf_counter()
    del file
    ready = await _rows(room, serials)
    connection = await asyncpg.connect(room.postgres.url("voketag_factory"))  # type: ignore[no-untyped-call]
    try:
        copying = time.perf_counter()
        await connection.copy_to_table(
            "units", schema_name="factory", columns=UNIT_COLUMNS, source=_stream(ready), format="binary"
        )
        copied = time.perf_counter() - copying
    finally:
        await connection.close()
    return batch, {
        "import_seconds": issued - started,
        "check_seconds": read - started,
        "order_seconds": ordered - read,
        "issue_seconds": issued - ordered,
        "copy_seconds": copied,
    }


async def _rows(room: Room, serials: list[bytes]) -> list[bytes]:
    """Return one COPY stream of units with these serials and numbers of their own, made beforehand."""
    async with room.database.transaction() as tx:
        taken = await storage.allocate_range(tx, key_id=KEY_ID, count=len(serials))
    batch_id, key, pieces = uuid4(), UnitCodeKey(KEY_ID, SECRET), []
    for start in range(0, len(serials), CHUNK_UNITS):
        chunk = serials[start : start + CHUNK_UNITS]
        order = ChunkOrder(batch_id, KEY_ID, taken.first_number, "", bytes(32), start, len(chunk), chunk)
        rows = mint_chunk(key, order).rows
        last = start + CHUNK_UNITS >= len(serials)
        pieces.append(rows[len(HEADER) if start else 0 : len(rows) if last else -len(TRAILER)])
    return pieces


async def _export(room: Room, batch: Batch) -> dict[str, float]:
    key = UnitCodeKey(KEY_ID, SECRET)
    started = time.perf_counter()
    for _code in key.codes(batch.range.first_number, batch.quantity):
        pass
    derived = time.perf_counter() - started
    async with aclosing(HotState(url=room.valkey.url(1))) as hot_state, FastDerivation() as derivation:
        await derivation.loaded()  # as in a server that has exported before
        units = Units(
            database=room.database,
            clock=SystemClock(),
            keys=KeyRing([key]),
            hot_state=hot_state,
            derivation=derivation,
        )
        before, started, processor = _own_peak_mib(), time.perf_counter(), time.process_time()
        length = 0
        async for found in units.export(room.tenant_id, batch.batch_id, first_index=0):
            length += len(csv_slice(found, header=found.first_index == 0).data)
        seconds, processor = time.perf_counter() - started, time.process_time() - processor
    return {
        "bytes": length,
        "seconds": seconds,
        "cpu_seconds": processor,
        "rows_per_second": batch.quantity / seconds,
        "rows_per_cpu_second": batch.quantity / processor,
        "derivation_seconds": derived,
        "rss_growth_mib": _own_peak_mib() - before,
    }


async def _pieces(file: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(file), _PIECE_BYTES):
        yield file[start : start + _PIECE_BYTES]


def _own_peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    asyncio.run(main())
