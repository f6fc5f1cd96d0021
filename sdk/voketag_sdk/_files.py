"""Files on their way to the platform: read in pieces, in a thread, and from the start again when an attempt failed."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import IO

PIECE_BYTES = 256 * 1024

Source = str | PathLike[str] | bytes | IO[bytes]
"""A path, the content itself, or an open binary file that can seek; it is read from where it stands."""


class Upload:
    """A file to send."""

    def __init__(self, source: Source) -> None:
        """Remember where the file is. OSError when it cannot be opened or cannot seek."""
        if isinstance(source, bytes):
            self._file: IO[bytes] = BytesIO(source)
        elif isinstance(source, str | PathLike):
            self._file = Path(source).open("rb")  # noqa: SIM115 - `close` ends it
        else:
            self._file = source
        self._own = isinstance(source, bytes | str | PathLike)
        self._start = self._file.tell()
        self.size = self._file.seek(0, 2) - self._start

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the file from its start."""
        await asyncio.to_thread(self._file.seek, self._start)
        while piece := await asyncio.to_thread(self._file.read, PIECE_BYTES):
            yield piece

    async def content(self) -> bytes:
        """Return the whole file."""
        return b"".join([piece async for piece in self.pieces()])

    def close(self) -> None:
        """Close what was opened here."""
        if self._own:
            self._file.close()
