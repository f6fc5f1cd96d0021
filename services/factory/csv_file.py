"""Reading a partner's CSV file as it arrives: RFC 4180, UTF-8 with or without a byte order mark, comma or semicolon.

Pure and without I/O; whoever uses it runs it off the event loop. Rows are looked at in blocks: one look at a whole
block says whether all of it is right, which is a few passes in C; only a block with something unusual is read again row
by row, to say where and what. A block without quotes is cut at its commas, which takes a quarter of the time that
`csv.reader` takes. Alternatives considered: row by row throughout (fifteen times the time), and pandas or arrow
(neither says by line and column what is wrong, and both read what RFC 4180 does not allow).

A file whose quotes do not match cannot be read past that row: what follows may be a cell or a row. Reading stops there.
"""

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from operator import methodcaller

from services.factory.model.cells import literal
from services.factory.model.imports import (
    MAX_COLUMNS,
    MAX_FAULTS,
    MAX_NAME,
    MAX_RECORD_BYTES,
    MAX_ROWS,
    MAX_VALUE,
    UNIT_SEPARATOR,
    CsvFault,
    SerialRule,
    joined,
    serials_in,
)
from services.factory.model.serials import GS1_CHARACTERS, fault_of_serial

SERIAL = "serial"
_BLOCK_BYTES = 64 * 1024  # the longest that one call into C holds the interpreter: about 2 ms
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_GS1_BYTES = GS1_CHARACTERS.encode()
_CONTROLS = bytes(sorted({*range(0x20), 0x7F} - set(b"\t\n\r")))
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
_BYTES_NOT_UTF8 = "the bytes are not UTF-8"
_TOO_MANY_ROWS = f"the file has more than {MAX_ROWS:,} rows"
_SEPARATED = {
    delimiter: re.compile(rf"{cell}(?:{delimiter}{cell})*")
    for delimiter in (",", ";")
    for cell in [rf'(?:"(?:[^"]|"")*"|[^"{delimiter}\r\n]*)']
}


@dataclass(slots=True)
class Block:
    """Rows that are right: each as it is kept (`model.imports.joined`), and the line that it begins on."""

    rows: list[str] = field(default_factory=list)
    lines: "array[int]" = field(default_factory=lambda: array("I"))


class CsvFile:
    """One file. `faults` are the first that were found; `total` counts all; after `stopped` nothing more is read."""

    def __init__(self, rule: SerialRule, *, attributes: bool = True) -> None:
        """`attributes` says whether the columns beside the serial are kept."""
        self.rule = rule
        self._keep_others = attributes
        self._rest = b""
        self._begun = False
        self._delimiter = ","
        self._names: list[str] = []
        self._order: list[int] = []
        self._line = 1
        self.columns: tuple[str, ...] = ()
        self.serial_column = 1
        self.rows = 0
        self._left = MAX_ROWS  # that may come yet: wrong ones count, or a file of nothing else would have no end
        self.faults: list[CsvFault] = []
        self.total = 0
        self.stopped = False

    def feed(self, data: bytes) -> Iterator[Block]:
        """Take the next piece of the file, and yield the rows that are whole now."""
        for start in range(0, len(data), _BLOCK_BYTES):
            if self.stopped:
                return
            self._rest += data[start : start + _BLOCK_BYTES]
            end = _end_of_records(self._rest)
            if end:
                block, self._rest = self._rest[:end], self._rest[end:]
                yield self._read(block)
            if len(self._rest) > MAX_RECORD_BYTES and not self.stopped:
                self._stop(self._line, f"a row of more than {MAX_RECORD_BYTES} bytes: is a quote never closed?")

    def finish(self) -> Iterator[Block]:
        """Take the end of the file, which may be without a line end."""
        if not self.stopped and self._rest:
            yield self._read(self._rest)
        self._rest = b""
        if not self.stopped and not self._names:
            self._stop(1, "the file is empty")
        elif not self.stopped and not self.rows and not self.total:
            self._stop(1, "the file has a header and no rows")

    def add_fault(self, fault: CsvFault) -> None:
        """Count a fault, and keep it while there is room."""
        self.total += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)

    def _read(self, block: bytes) -> Block:
        if not self._begun:
            self._begun = True
            if block.startswith(_UTF16):
                self._stop(1, "the file is UTF-16; save it as UTF-8")
                return Block()
            block = block.removeprefix(_BOM)
        try:
            text, is_utf8 = block.decode(), True
        except UnicodeDecodeError:
            text, is_utf8 = block.decode(errors="surrogateescape"), False
        if not self._names:
            head, _, text = text.partition("\n")
            self._read_header(head.removesuffix("\r"))
            self._line += 1
            if self.stopped or not text:
                return Block()
            block = text.encode(errors="surrogateescape")
        first_line = self._line
        self._line += text.count("\n")
        found = self._plain_rows(block, text, first_line) if is_utf8 else None
        if found is None:
            found = self._rows_one_by_one(text, first_line)
        else:
            self._left -= len(found.rows)
            if self._left < 0:
                self._stop(int(found.lines[self._left]), _TOO_MANY_ROWS)
        self.rows += len(found.rows)
        return found

    def _read_header(self, line: str) -> None:
        for delimiter in (",", ";"):
            try:
                names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter, strict=True), [])]
            except csv.Error:
                continue
            if SERIAL in (lowered := [name.lower() for name in names]):
                break
        else:
            self._stop(1, "the header has no column `serial`; columns are separated by commas or semicolons")
            return
        at = lowered.index(SERIAL)
        if self._keep_others and len(names) > MAX_COLUMNS + 1:
            self._stop(1, f"the file has {len(names)} columns; at most {MAX_COLUMNS + 1}")
            return
        for number, name in enumerate(names, 1):
            if not self._keep_others and lowered[number - 1] != SERIAL:
                continue
            if (wrong := _fault_of_name(name, lowered[: number - 1])) is not None:
                self.add_fault(CsvFault(1, number, _shown(name), wrong))
                self.stopped = True
        self._delimiter, self._names = delimiter, [*names]
        self._names[at] = SERIAL
        others = [index for index in range(len(names)) if index != at] if self._keep_others else []
        self._order = [at, *others]
        self.serial_column = at + 1
        self.columns = tuple(names[index] for index in others)

    def _plain_rows(self, block: bytes, text: str, first_line: int) -> Block | None:
        """Return the rows of a block in which nothing is unusual, None when something is."""
        # An apostrophe may be one that keeps a formula from running.
        if "'" in text or len(block.translate(None, _CONTROLS)) != len(block):
            return None
        return self._quoted_rows(text, first_line) if '"' in text else self._bare_rows(text, first_line)

    def _bare_rows(self, text: str, first_line: int) -> Block | None:
        """Return the rows of a block without quotes, where every line is a row and every delimiter ends a cell."""
        lines = (text := text.replace("\r\n", "\n")).removesuffix("\n").split("\n")
        at_lines: Sequence[int] = range(first_line, first_line + len(lines))
        if "" in lines:
            at_lines = [at for at, line in zip(at_lines, lines, strict=True) if line]
            lines = [line for line in lines if line]
        delimiter, others = self._delimiter, len(self._names) - 1
        serials: Sequence[str]
        if "\r" in text:
            return None
        if not others:
            if delimiter in text:
                return None
            serials = rows = lines
        elif not set(map(methodcaller("count", delimiter), lines)) <= {others}:
            return None
        elif self._order == list(range(others + 1)):
            rows = "\n".join(lines).replace(delimiter, UNIT_SEPARATOR).split("\n") if lines else []
            serials = serials_in(rows)
        else:
            return self._block([line.split(delimiter) for line in lines], lines, at_lines)
        return Block(rows, array("I", at_lines)) if self._hold(serials, lines) else None

    def _quoted_rows(self, text: str, first_line: int) -> Block | None:
        """Return the rows of a block with quotes, unless a cell has a line end or a quote."""
        lines = text.count("\n") + (not text.endswith("\n"))
        try:
            cells = list(csv.reader(StringIO(text, newline="\n"), delimiter=self._delimiter, strict=True))
        except csv.Error:
            return None
        if len(cells) != lines:
            return None
        at_lines: Sequence[int] = range(first_line, first_line + lines)
        if [] in cells:  # empty lines
            at_lines = [line for line, row in zip(at_lines, cells, strict=True) if row]
            cells = [row for row in cells if row]
        if not set(map(len, cells)) <= {len(self._names)}:
            return None
        found = self._block(cells, text.split("\n"), at_lines)
        # A quote that is left may stand where none may.
        return None if found is None or any('"' in row for row in found.rows) else found

    def _block(self, cells: Sequence[Sequence[str]], lines: Sequence[str], at_lines: Sequence[int]) -> Block | None:
        """Return rows of the right width, None when a cell may be wrong."""
        serials = [row[self._order[0]] for row in cells]
        if len(self._order) == 1:
            rows = serials
        elif self._order == list(range(len(self._names))):
            rows = list(map(joined, cells))
        else:
            rows = [joined([row[index] for index in self._order]) for row in cells]
        return Block(rows, array("I", at_lines)) if self._hold(serials, lines) else None

    def _hold(self, serials: Sequence[str], lines: Sequence[str]) -> bool:
        """Say whether serials are right, and lines too short for a cell that is too long."""
        return self._serials_hold(serials) and (len(self._order) == 1 or max(map(len, lines), default=0) <= MAX_VALUE)

    def _serials_hold(self, serials: Sequence[str]) -> bool:
        if not serials:
            return True
        together = "".join(serials)
        lengths = set(map(len, serials))
        if min(lengths) < 1 or max(lengths) > self.rule.longest:
            return False
        if self.rule.gs1:
            return together.isascii() and not together.encode().translate(None, _GS1_BYTES)
        return together.isprintable() and (
            (together.isascii() and " " not in together) or all(serial == serial.strip() for serial in serials)
        )

    def _rows_one_by_one(self, text: str, first_line: int) -> Block:
        found = Block()
        source = _Lines(text)
        reader = csv.reader(source, delimiter=self._delimiter, strict=True)
        while not self.stopped:
            line = first_line + source.count
            source.taken.clear()
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error:
                self._stop(line, "the quotes of the row do not match (RFC 4180); the rest of the file was not read")
                break
            if not cells:  # an empty line
                continue
            self._left -= 1
            if self._left < 0:
                self._stop(line, _TOO_MANY_ROWS)
                break
            raw = "".join(source.taken).rstrip("\r\n")
            if '"' in raw and not _SEPARATED[self._delimiter].fullmatch(raw):
                self._stop(line, "the quotes of the row do not match (RFC 4180); the rest of the file was not read")
            elif len(cells) != len(self._names):
                self.add_fault(CsvFault(line, 0, "", f"{len(cells)} cells; the header has {len(self._names)} columns"))
            elif (row := self._row(cells, line)) is not None:
                found.rows.append(row)
                found.lines.append(line)
        return found

    def _row(self, cells: Sequence[str], line: int) -> str | None:
        """Return a row as it is kept, None when it has faults."""
        before = self.total
        kept = [literal(cells[index]) for index in self._order]
        for index, cell in zip(self._order, kept, strict=True):
            wrong = self._fault_of_cell(cell, serial=index == self._order[0])
            if wrong is not None:
                self.add_fault(CsvFault(line, index + 1, self._names[index], wrong))
        return joined(kept) if self.total == before else None

    def _fault_of_cell(self, cell: str, *, serial: bool) -> str | None:
        if _NOT_UTF8.search(cell):
            return _BYTES_NOT_UTF8
        if serial:
            return fault_of_serial(cell, gs1=self.rule.gs1)
        if control := _CONTROL.search(cell):
            return f"the control character {control[0]!r}"
        return f"{len(cell)} characters; at most {MAX_VALUE}" if len(cell) > MAX_VALUE else None

    def _stop(self, line: int, description: str) -> None:
        self.add_fault(CsvFault(line, 0, "", description))
        self.stopped = True


class _Lines:
    """The lines of a text, counted, and those that the reader took since `taken` was cleared."""

    def __init__(self, text: str) -> None:
        self._lines = iter(StringIO(text, newline="\n"))
        self.count = 0
        self.taken: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.count += 1
        self.taken.append(line)
        return line


def _end_of_records(data: bytes) -> int:
    """Return where the last whole row ends: behind a line end that has an even number of quotes before it."""
    if b'"' not in data:
        return data.rfind(b"\n") + 1
    end, odd = len(data), data.count(b'"') % 2
    while (newline := data.rfind(b"\n", 0, end)) >= 0:
        odd ^= data.count(b'"', newline, end) % 2
        if not odd:
            return newline + 1
        end = newline
    return 0


def _fault_of_name(name: str, before: Sequence[str]) -> str | None:
    if not name:
        return "a column without a name"
    if _NOT_UTF8.search(name):
        return _BYTES_NOT_UTF8
    if len(name) > MAX_NAME:
        return f"a name of {len(name)} characters; at most {MAX_NAME}"
    if not name.isprintable():
        return "a name has printable characters only"
    return "a second column of this name" if name.lower() in before else None


def _shown(name: str) -> str:
    """Return a column's name as a report can hold it, whatever bytes it came as."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name[:MAX_NAME])
