"""Files that are replaced while the service runs: tables of countries, lists of networks.

A file that is missing or broken takes its answers away and says so; it never stops a scan. A replacement is read and
checked beside the old one, off the event loop, and takes its place in one step.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from prometheus_client import Gauge

from services.common.logs import get_logger
from services.common.repeating import running

_LOOK_SECONDS = 2.0
_broken = Gauge("voketag_scan_file_broken", "1 while a file that scans use is missing or broken.", ["file"])
_log = get_logger(__name__)

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class PartHealth:
    """How one part stands, in words for an operator."""

    name: str
    ok: bool
    detail: str


class Part(Protocol):
    """Something whose state health checks show."""

    def health(self) -> PartHealth:
        """Return how it stands."""
        ...


class WatchedFile(Generic[ValueT]):
    """A file's content as `load` makes it. `value` is None while there is none; `version` grows at every change."""

    def __init__(self, *, name: str, path: Path | None, load: Callable[[bytes], ValueT]) -> None:
        self.value: ValueT | None = None
        self.version = 0
        self._name = name
        self._path = path
        self._load = load
        self._seen: tuple[int, int, int] | None = None
        self._detail = "not configured"

    def health(self) -> PartHealth:
        """Return how the file stands. One that is not configured is not missed."""
        return PartHealth(name=self._name, ok=self._path is None or self.value is not None, detail=self._detail)

    async def look(self) -> None:
        """Read the file if it is not the one that was read last."""
        if self._path is None:
            return
        try:
            stat = await asyncio.to_thread(self._path.stat)
            mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if mark == self._seen:
                return
            self._seen = mark
            value = await asyncio.to_thread(lambda path: self._load(path.read_bytes()), self._path)
        except Exception as error:  # whatever is wrong with it, the scans go on without it
            self.give_up(error)
        else:
            self.value, self._detail = value, "in use"
            self.version += 1
            _broken.labels(self._name).set(0)

    def give_up(self, error: Exception) -> None:
        """Go on without the file, until another one is in its place: it is broken where only a look-up finds it."""
        detail = f"missing or broken: {type(error).__name__}"
        if self.value is not None or detail != self._detail:
            _log.error("a file that scans use is missing or broken", file=self._name, error=str(error))
        if isinstance(error, OSError):
            self._seen = None
        self.value, self._detail = None, detail
        self.version += 1
        _broken.labels(self._name).set(1)


@asynccontextmanager
async def watching(files: "Sequence[WatchedFile[Any]]") -> AsyncIterator[None]:
    """Read the files now, and whenever they change until the end of the block."""
    for file in files:
        await file.look()
    async with running(_watch(files)):
        yield


async def _watch(files: "Sequence[WatchedFile[Any]]") -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        for file in files:
            await file.look()
