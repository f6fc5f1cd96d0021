"""The fast derivation in a server: there when exports want it, at no cost to the calls beside them.

Exports begin with the reference, and change to compiled code once it is loaded, which begins with the first export: a
server that exports nothing pays nothing. What has to be compiled is compiled by a process of its own, into numba's
cache; compiling in a thread here would take the interpreter from every call for ten seconds. What is left for the
thread is a second of imports.

Alternative considered: the worker's `MintingPool`. It keeps 150 MiB a process, and every slice would cross two pipes.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

from services.common.logs import get_logger
from services.factory import derivation
from services.factory.derivation import REFERENCE, Derivation, Loaded

_log = get_logger(__name__)
_ROOT = Path(derivation.__file__).parents[2]


class FastDerivation:
    """The fastest way to derive codes that is loaded by now."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._loaded = Loaded(REFERENCE)
        self._loading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Do nothing: the first `current` begins."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give up loading, if it is under way."""
        if self._loading is not None:
            self._loading.cancel()
            with suppress(asyncio.CancelledError):
                await self._loading

    @property
    def current(self) -> Derivation:
        """The derivation to use for the next slice of units."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        return self._loaded.derivation

    async def loaded(self) -> Derivation:
        """Wait until loading is over, and return what came of it."""
        _ = self.current
        if self._loading is not None:
            await asyncio.shield(self._loading)
        return self._loaded.derivation

    async def _load(self) -> None:
        try:
            obstacle = await _compile()
            found = Loaded(REFERENCE, obstacle) if obstacle else await asyncio.to_thread(derivation.load)
        except OSError as error:  # no process can be started now
            found = Loaded(REFERENCE, str(error))
        self._loaded = found
        if found.obstacle:
            _log.warning("exports derive codes by the reference, a tenth as fast", obstacle=found.obstacle)


async def _compile() -> str:
    """Fill numba's cache in a process of its own; return what is in the way, if anything is."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.factory.derivation",
        cwd=_ROOT,  # where `-m` finds it, whatever this process's folder is
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return (said.decode(errors="replace").strip() or f"exit code {process.returncode}") if process.returncode else ""
