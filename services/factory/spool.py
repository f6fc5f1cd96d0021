"""The rows of a file while it is checked: on disk, so that memory does not grow with them.

A temporary file without a name (O_TMPFILE, or unlinked at once): it goes with the process, however that ends, and there
is nothing to sweep. Alternative considered: staging tables in PostgreSQL. A million rows would be written twice, a
file that is refused would have been written for nothing, and what a killed server left would have to be found and
deleted.
"""

import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from services.factory.csv_file import Block
from services.factory.model.imports import RECORD_SEPARATOR

_PIECE_BYTES = 256 * 1024


class Spool:
    """Rows, added once and read any number of times. `lines` has the line of each: 4 bytes a row."""

    def __init__(self, folder: Path | None = None) -> None:
        """Write into `folder`, or where the system keeps temporary files."""
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - `close` is the end of the block
        self.lines = array("I")

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.lines)

    def add(self, block: Block) -> None:
        """Add rows. OSError when the disk is full."""
        if block.rows:
            self._file.write((RECORD_SEPARATOR.join(block.rows) + RECORD_SEPARATOR).encode())
            self.lines.extend(block.lines)

    def slices(self, count: int) -> Iterator[list[str]]:
        """Yield all rows, `count` at a time."""
        self._file.seek(0)
        rows: list[str] = []
        rest = b""
        while piece := self._file.read(_PIECE_BYTES):
            rest += piece
            end = rest.rfind(RECORD_SEPARATOR.encode())
            if end >= 0:
                rows += rest[:end].decode().split(RECORD_SEPARATOR)
                rest = rest[end + 1 :]
            while len(rows) >= count:
                yield rows[:count]
                del rows[:count]
        if rows:
            yield rows

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()
