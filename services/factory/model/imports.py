"""Files of units: what a row may hold, what is wrong with it, and how rows are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.factory.model.serials import GS1_LENGTH, LONGEST_SERIAL

MAX_ROWS: Final = 1_000_000
"""Rows of a file: the units of a batch."""
MAX_FILE_BYTES: Final = 10 * 1024 * 1024
"""Length of a file that comes in one request."""
MAX_COLUMNS: Final = 32
"""Columns beside the serial."""
MAX_NAME: Final = 64
"""Characters of a column's name."""
MAX_VALUE: Final = 500
"""Characters of an attribute."""
MAX_RECORD_BYTES: Final = 64 * 1024
"""Bytes of one row: what is longer is a quote that was never closed."""
MAX_FAULTS: Final = 1_000
"""Faults that a report names; the others are counted."""

# The separators that ASCII has for this (ECMA-48, 8.2.10): no cell may hold them, so that rows need no quotes.
UNIT_SEPARATOR: Final = "\x1f"
RECORD_SEPARATOR: Final = "\x1e"
TILE_ROWS: Final = 256
"""Rows that are kept together: those of one hash tile. Any unit's attributes are one small read."""


@dataclass(frozen=True, slots=True)
class CsvFault:
    """One fault. `line` counts from 1, the header; `column` from 1, and is 0 when the whole row is meant."""

    line: int
    column: int
    column_name: str
    description: str

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return f"line {self.line}, column {self.column} ({self.column_name})" if self.column else f"line {self.line}"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was wrong with a refused file: the first faults by line, and how many there are."""

    import_id: UUID
    tenant_id: UUID
    rows: int
    total: int
    faults: Sequence[CsvFault]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SerialRule:
    """What serials of a product look like."""

    gs1: bool
    """The product has a GTIN, so that a serial fits GS1 AI (21)."""

    @property
    def longest(self) -> int:
        """Characters that a serial may have."""
        return GS1_LENGTH if self.gs1 else LONGEST_SERIAL


def joined(cells: Sequence[str]) -> str:
    """Return a row as it is kept: its serial first."""
    return UNIT_SEPARATOR.join(cells)


def serials_in(rows: Sequence[str]) -> Sequence[str]:
    """Return the serials of rows of one file as they are kept: the rows themselves, where it has no further columns."""
    if not rows or UNIT_SEPARATOR not in rows[0]:
        return rows
    return [row[: row.index(UNIT_SEPARATOR)] for row in rows]


def encoded(serials: Sequence[str]) -> list[bytes]:
    """Return serials in UTF-8, encoded together: that takes a third of the time."""
    return RECORD_SEPARATOR.join(serials).encode().split(RECORD_SEPARATOR.encode()) if serials else []


def cells_in(row: str) -> list[str]:
    """Return the further cells of a row as it is kept."""
    return row.split(UNIT_SEPARATOR)[1:]


def attributes_in(row: str, columns: Sequence[str]) -> dict[str, str]:
    """Return the further cells of a row as it is kept, by column; empty ones are left out."""
    return {name: cell for name, cell in zip(columns, cells_in(row), strict=True) if cell}
