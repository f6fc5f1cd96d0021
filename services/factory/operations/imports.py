"""Files of units: checked whole, then one transaction that orders the batch with the serials that they bring.

A file is checked while it arrives, in threads, into a spool on disk. Then one transaction writes its rows, its serials
and the batch; issuing is the worker's, as for any batch. So there is nothing half done at any moment: before the commit
there is a temporary file that goes with the process, after it there is a batch. Serials that are taken are found by the
index that keeps them apart, at no cost to a file that has none; only a file that is refused is searched for which.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import ConcurrentUpdate, InvalidCsv, Unavailable, Violation
from services.common.ids import uuid7
from services.factory import copy_rows
from services.factory.copy_format import HEADER, TRAILER
from services.factory.csv_file import SERIAL, CsvFile
from services.factory.model.batches import Batch, BatchOrder
from services.factory.model.imports import (
    MAX_FAULTS,
    RECORD_SEPARATOR,
    TILE_ROWS,
    CsvFault,
    ImportReport,
    SerialRule,
    encoded,
    serials_in,
)
from services.factory.model.serials import SERIAL_LENGTH, GeneratedSerial, generated
from services.factory.operations import audit
from services.factory.operations.batches import Batches
from services.factory.spool import Spool
from services.factory.storage import batches as batch_storage
from services.factory.storage import imports as storage

_AT_ONCE = 2  # threads that check files: more would take the interpreter from the calls that wait
_WRITTEN_AT_ONCE = 2
_SLICE_ROWS = 32 * TILE_ROWS
_VIOLATION_BYTES = 4096  # violations travel in the trailers, of which clients take 8 KiB without looking twice

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that was read to its end: its rows are in the spool, its faults, if any, in `csv`."""

    csv: CsvFile
    digest: bytes
    """SHA-256 of the file."""
    spool: Spool

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return len(self.spool)

    async def serials(self, count: int) -> AsyncIterator[Sequence[str]]:
        """Yield the serials of all rows, `count` at a time."""
        slices = self.spool.slices(count)
        while (rows := await asyncio.to_thread(next, slices, None)) is not None:
            yield serials_in(rows)


class Imports:
    """Batches from files, of one tenant at a time."""

    def __init__(self, *, database: Database, clock: Clock, batches: Batches) -> None:
        self._database = database
        self._clock = clock
        self._batches = batches
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._writing = asyncio.Semaphore(_WRITTEN_AT_ONCE)
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def checked(
        self, tenant_id: UUID, product_id: UUID, pieces: AsyncIterator[bytes]
    ) -> AsyncIterator[CheckedFile]:
        """Read a file for a product to its end; its rows are there for the length of the block.

        Raises ProductNotFound, ProductArchived, and InvalidCsv, whose report has more faults than the error.
        """
        async with self._database.transaction() as tx:
            await batch_storage.hold_orderable_product(tx, tenant_id, product_id)
            rule = SerialRule(gs1=await storage.has_gtin(tx, product_id))
        async with self._read(CsvFile(rule), pieces) as file:
            if file.csv.total:
                await self._refuse(tenant_id, file, taken=True)
            yield file

    @asynccontextmanager
    async def listed(self, tenant_id: UUID, pieces: AsyncIterator[bytes]) -> AsyncIterator[CheckedFile]:
        """Read a file that lists serials of units, whatever their products. Raises InvalidCsv."""
        async with self._read(CsvFile(SerialRule(gs1=False), attributes=False), pieces) as file:
            if file.csv.total:
                await self._refuse(tenant_id, file, taken=False)
            yield file

    @asynccontextmanager
    async def _read(self, csv: CsvFile, pieces: AsyncIterator[bytes]) -> AsyncIterator[CheckedFile]:
        spool = Spool()
        try:
            digest = sha256()
            async for piece in pieces:
                await self._in_thread(partial(_take, csv, spool, digest, piece))
                if csv.stopped:
                    break
            await self._in_thread(partial(_finish, csv, spool))
            yield CheckedFile(csv=csv, digest=digest.digest(), spool=spool)
        finally:
            spool.close()

    @asynccontextmanager
    async def turn(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Wait until a file may be written: one of a tenant and a few of all at a time.

        Writing one takes two connections, and one of the same tenant waits for it in the database. Without turns, a
        partner who sends a dozen files at once would leave nobody a connection, his own files included.
        """
        turn = self._turns.setdefault(tenant_id, asyncio.Lock())
        async with turn, self._writing:
            yield

    async def create(
        self, tx: Transaction, tenant_id: UUID, order: BatchOrder, file: CheckedFile, *, who: str
    ) -> Batch:
        """Order the batch of a file. Raises as `Batches.create` does, and InvalidCsv for serials that are taken."""
        batch_id = uuid7()
        await storage.take_turn(tx, tenant_id)
        try:
            await storage.copy_serials(tx, lambda: self._serials(tenant_id, batch_id, file.spool))
        except storage.SerialTaken:
            await self._refuse(tenant_id, file, taken=True)
            # Whoever had them gave them back meanwhile.
            raise ConcurrentUpdate from None
        await storage.copy_rows(tx, lambda: self._rows(batch_id, file.spool))
        batch = await self._batches.create(tx, tenant_id, replace(order, quantity=file.rows), batch_id=batch_id)
        if await storage.has_gtin(tx, order.product_id) != file.csv.rule.gs1:
            raise ConcurrentUpdate  # the product got or lost its GTIN while the file arrived: check it again
        await storage.add(tx, batch_id=batch_id, columns=file.csv.columns, file_hash=file.digest)
        details: dict[str, str | int] = {"rows": file.rows, "file_sha256": file.digest.hex()}
        await audit.note(
            tx, tenant_id, who=who, action="batch.import", subject=batch_id, now=self._clock.now(), details=details
        )
        return batch

    async def report(self, tenant_id: UUID, import_id: UUID) -> ImportReport:
        """Return what was wrong with a file; JobNotFound."""
        async with self._database.reading() as tx:
            return await storage.get_report(tx, tenant_id, import_id)

    async def _serials(self, tenant_id: UUID, batch_id: UUID, spool: Spool) -> AsyncIterator[bytes]:
        start = 0
        yield HEADER
        async for rows in self._slices(spool):
            found, wanted = await self._in_thread(partial(_serial_rows, tenant_id, batch_id, start, rows))
            if wanted:
                # Serials that look like ours are no accident; the index does not know ours.
                async with self._database.reading() as other:
                    if await storage.taken_by_generated(other, tenant_id, wanted):
                        raise storage.SerialTaken
            yield found
            start += len(rows)
        yield TRAILER

    async def _rows(self, batch_id: UUID, spool: Spool) -> AsyncIterator[bytes]:
        start = 0
        yield HEADER
        async for rows in self._slices(spool):
            yield await self._in_thread(partial(_tile_rows, batch_id, start, rows))
            start += len(rows)
        yield TRAILER

    async def _slices(self, spool: Spool) -> AsyncIterator[list[str]]:
        slices = spool.slices(_SLICE_ROWS)
        while (rows := await self._in_thread(lambda: next(slices, None))) is not None:
            yield rows

    async def _refuse(self, tenant_id: UUID, file: CheckedFile, *, taken: bool) -> None:
        """Raise InvalidCsv for the faults of a file, if there are any; with those of serials that are `taken`."""
        faults, total = [*file.csv.faults], file.csv.total
        if taken:
            found, count = await self._taken(tenant_id, file)
            faults += found
            total += count
        if total:
            faults.sort(key=lambda fault: (fault.line, fault.column))
            report = ImportReport(uuid7(), tenant_id, file.rows, total, faults[:MAX_FAULTS], self._clock.now())
            async with self._database.transaction() as tx:
                await storage.add_report(tx, report)
            raise InvalidCsv(total=total, import_id=str(report.import_id), violations=_violations(report.faults))

    async def _taken(self, tenant_id: UUID, file: CheckedFile) -> tuple[list[CsvFault], int]:
        """Return the first serials of a file that are taken, by another row or by a unit, and how many are."""
        spool, column = file.spool, file.csv.serial_column
        first_of = await self._in_thread(partial(_first_of, spool))
        faults: list[CsvFault] = []
        start = total = 0
        async for rows in self._slices(spool):
            had = await self._had(tenant_id, serials := serials_in(rows))
            for index, serial in enumerate(serials, start):
                if (first := int(first_of[index])) != index:
                    words = f"{serial!r} is on line {spool.lines[first]} already"
                elif serial in had:
                    words = f"{serial!r} is the serial of a unit that you have already"
                else:
                    continue
                total += 1
                if len(faults) < MAX_FAULTS:
                    faults.append(CsvFault(spool.lines[index], column, SERIAL, words))
            start += len(rows)
        return faults, total

    async def _had(self, tenant_id: UUID, serials: Sequence[str]) -> set[str]:
        """Return those of some serials that units of the tenant have."""
        made = {serial: parts for serial in serials if (parts := generated(serial)) is not None}
        async with self._database.reading() as tx:
            had = await storage.taken(tx, tenant_id, serials)
            ours = await storage.taken_by_generated(tx, tenant_id, made.values()) if made else set()
        return had | {serial for serial, parts in made.items() if parts in ours}

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Do what takes the processor, or the disk, off the event loop. Unavailable when the disk is full."""
        async with self._places:
            try:
                return await asyncio.to_thread(work)
            except OSError as error:
                raise Unavailable("there is no room for the file now; try again later") from error


def _take(file: CsvFile, spool: Spool, digest: Any, piece: bytes) -> None:
    digest.update(piece)
    for block in file.feed(piece):
        spool.add(block)


def _finish(file: CsvFile, spool: Spool) -> None:
    for block in file.finish():
        spool.add(block)


def _serial_rows(
    tenant_id: UUID, batch_id: UUID, start: int, rows: Sequence[str]
) -> tuple[bytes, set[GeneratedSerial]]:
    """Return rows of the table of serials, and what those serials say that have the form that is made here."""
    serials = serials_in(rows)
    indexes = np.arange(start, start + len(rows))
    fields: list[tuple[str, bytes | NDArray[Any]]] = [
        ("V16", tenant_id.bytes),
        ("V16", batch_id.bytes),
        (">i4", indexes),
    ]
    alike = [serial for serial in serials if len(serial) == SERIAL_LENGTH]
    made = {parts for serial in alike if (parts := generated(serial)) is not None}
    return copy_rows.rows(fields, copy_rows.texts(encoded(serials))), made


def _tile_rows(batch_id: UUID, start: int, rows: Sequence[str]) -> bytes:
    """Return rows of the table of a file's rows; `start` is a tile's first."""
    tiles = [RECORD_SEPARATOR.join(rows[at : at + TILE_ROWS]).encode() for at in range(0, len(rows), TILE_ROWS)]
    head = struct.pack(">hi16s", 3, 16, batch_id.bytes)
    return b"".join(
        head + struct.pack(">iii", 4, start // TILE_ROWS + number, len(tile)) + tile
        for number, tile in enumerate(tiles)
    )


def _first_of(spool: Spool) -> NDArray[np.intp]:
    """Return, for each row, the first row of the same serial: itself, unless the serial is repeated.

    By 64-bit hashes (SipHash under a secret of the process): 8 bytes a row instead of the serials. That two serials of
    a million share one is less likely than that the disk read one wrong.
    """
    hashes = np.fromiter(
        (hash(serial) for rows in spool.slices(_SLICE_ROWS) for serial in serials_in(rows)), np.int64, len(spool)
    )
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    found: NDArray[np.intp] = first[group]
    return found


def _violations(faults: Iterable[CsvFault]) -> list[Violation]:
    """Return as many faults as an error carries."""
    carried: list[Violation] = []
    room = _VIOLATION_BYTES
    for fault in faults:
        violation = Violation(fault.place, fault.description)
        room -= len(violation.field.encode()) + len(violation.description.encode()) + 8
        if room < 0 and carried:
            break
        carried.append(violation)
    return carried
