"""The CSV export of a batch: one stream of rows 0, 1, 2, ..., resumed when it breaks, and never a half-written file."""

import asyncio
import csv
import os
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from io import StringIO
from pathlib import Path
from typing import IO
from uuid import uuid4

from voketag.factory.v1 import factory_pb2
from voketag_sdk._transport import Transport
from voketag_sdk.errors import ExportBroken
from voketag_sdk.models import ExportedUnit, UnitState

HEADER = b"index,unit_id,serial,code,url,state\r\n"
"""RFC 4180; an imported batch's further columns follow. A stream that starts at a later row has no header."""
_FIXED = HEADER.removesuffix(b"\r\n")
_NEUTRALISED = re.compile(r"'+[=+\-@\t\r\n]")


class Export:
    """The rows of one batch, as lines or parsed."""

    def __init__(self, transport: Transport, batch_id: str) -> None:
        self._transport = transport
        self._batch_id = batch_id
        self.header = HEADER
        """The header that came, once rows have."""

    async def lines(self) -> AsyncGenerator[Sequence[bytes]]:
        """Yield the rows as whole lines with their line ends, without the header, each exactly once."""
        received = _Received(self._batch_id)
        stream = self._transport.messages(self._transport.factory.ExportUnits, received.request_for_the_rest)
        async with aclosing(stream):
            async for chunk in stream:
                if lines := received.take(chunk.data):
                    self.header = received.header
                    yield lines
        received.finish()

    async def rows(self) -> AsyncGenerator[Sequence[ExportedUnit]]:
        """Yield the rows parsed."""
        async with aclosing(self.lines()) as chunks:
            async for lines in chunks:
                columns = _columns(self.header)
                yield [_parse(line, columns) for line in lines]


class _Received:
    """What has arrived of an export, so that a new stream is asked only for what is missing."""

    def __init__(self, batch_id: str) -> None:
        self._batch_id = batch_id
        self._next_index = 0
        self._header_due = True
        self.header = HEADER
        self._rest = b""

    def request_for_the_rest(self) -> factory_pb2.ExportUnitsRequest:
        """Ask for the rows that are missing; a row that was cut in two comes again as a whole."""
        self._rest = b""
        self._header_due = self._next_index == 0
        return factory_pb2.ExportUnitsRequest(batch_id=self._batch_id, first_index=self._next_index)

    def take(self, data: bytes) -> list[bytes]:
        """Return the rows that are whole now. Chunks may end anywhere. ExportBroken when a row is not the next one."""
        *lines, self._rest = _split(self._rest + data)
        if self._header_due and lines:
            if lines[0] != HEADER and not lines[0].startswith(_FIXED + b","):
                raise ExportBroken(f"the export begins with {lines[0][:80]!r}, not with its header")
            self.header = lines[0]
            self._header_due = False
            del lines[0]
        for line in lines:
            if not line.startswith(b"%d," % self._next_index):
                raise ExportBroken(f"the export has {line[:80]!r} where row {self._next_index} belongs")
            self._next_index += 1
        return lines

    def finish(self) -> None:
        """Make sure that the stream ended after a whole row."""
        if self._rest or self._header_due:
            raise ExportBroken(f"the export ends inside row {self._next_index}")


def _split(data: bytes) -> list[bytes]:
    """Return the lines with their CRLF and, last, what follows them. A CRLF inside quotes ends no line (RFC 4180)."""
    parts: list[bytes] = []
    in_quotes = False
    for piece in data.split(b"\r\n"):
        if in_quotes:
            parts[-1] += piece + b"\r\n"
        else:
            parts.append(piece + b"\r\n")
        in_quotes ^= piece.count(b'"') % 2 == 1
    parts[-1] = parts[-1][:-2]
    return parts


def _columns(header: bytes) -> list[str]:
    """Return the names of an export's further columns."""
    [names] = csv.reader([header.decode()], strict=True)
    return [_literal(name) for name in names[6:]]


def _literal(cell: str) -> str:
    """Undo the apostrophe that keeps spreadsheets from running a cell as a formula (docs/csv.md)."""
    return cell[1:] if _NEUTRALISED.match(cell) else cell


def _parse(line: bytes, columns: Sequence[str] = ()) -> ExportedUnit:
    try:
        [[index, unit_id, serial, code, url, state, *cells]] = csv.reader(
            StringIO(line.decode(), newline=""), strict=True
        )
        return ExportedUnit(
            index=int(index),
            unit_id=int(unit_id),
            serial=_literal(serial),
            code=code,
            url=url,
            state=UnitState(state.removeprefix("UNIT_STATE_")),
            attributes={name: _literal(cell) for name, cell in zip(columns, cells, strict=True) if cell},
        )
    except (ValueError, csv.Error) as error:
        raise ExportBroken(f"the export has the line {line[:200]!r}, which is no row of it") from error


async def write_file(path: Path, export: Export) -> int:
    """Write the export under its name in one step and return its number of rows; a failure leaves no trace.

    Disk writes run in a thread, so that a slow disk does not stop the event loop.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")
    count = 0
    file = await asyncio.to_thread(part.open, "xb")
    try:
        with file:
            async with aclosing(export.lines()) as chunks:
                async for lines in chunks:
                    if not count:
                        file.write(export.header)
                    await asyncio.to_thread(file.writelines, lines)
                    count += len(lines)
            await asyncio.to_thread(_to_disk, file)
        await asyncio.to_thread(part.replace, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return count


def _to_disk(file: IO[bytes]) -> None:
    """Have the content on disk before it gets its name: after a power cut the file is whole or absent."""
    file.flush()
    os.fsync(file.fileno())
