"""The processes that make chunks, so that hashing stays off the event loop and off its core.

They are spawned, not forked: a fork would copy threads' locks in whatever state they are, and the parent's memory
with them. What runs in them is in `minting_process.py`.
"""

import asyncio
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Self

from prometheus_client import Counter

from services.common.errors import SigningKeyExhausted, Unavailable
from services.common.logs import get_logger
from services.factory import minting_process
from services.factory.model.issuing import Chunk, ChunkOrder

_log = get_logger(__name__)
_units_made = Counter(
    "voketag_factory_units_made",
    "Units made by this worker's processes, by how: lanes, or the reference that is a tenth as fast.",
    ["derivation"],
)


class MintingPool:
    """A fixed number of processes. Each reads the keys' files itself, so that no secret crosses a pipe."""

    def __init__(self, *, processes: int, keys_folder: Path) -> None:
        self.parallel = processes
        self._keys_folder = keys_folder
        self._told: set[str] = set()
        self._executor = self._start()

    async def __aenter__(self) -> Self:
        """Start the processes: the first batch should not wait for their imports."""
        for _ in range(self.parallel):
            self._executor.submit(minting_process.stand_by)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the processes, off the event loop."""
        await asyncio.to_thread(self.shutdown)

    def shutdown(self) -> None:
        """Let running chunks end, drop those that wait, and stop the processes."""
        self._executor.shutdown(cancel_futures=True)

    @property
    def pids(self) -> list[int]:
        """Ids of the processes that run now."""
        return list(self._executor._processes)

    async def mint(self, order: ChunkOrder) -> Chunk:
        """Make one chunk. SigningKeyExhausted without the key's secret; Unavailable when a process was killed."""
        executor = self._executor
        try:
            made = await asyncio.get_running_loop().run_in_executor(executor, minting_process.mint, order)
        except BrokenProcessPool as error:
            if executor is self._executor:  # several chunks find it broken; the first puts a new one in its place
                self._executor = self._start()
            raise Unavailable("a minting process was killed; the batch goes on by itself") from error
        self._tell(made.obstacle)
        if made.chunk is None:
            raise SigningKeyExhausted(
                f"the worker has no secret for signing key {order.key_id}; put its file into the folder of unit keys"
            )
        _units_made.labels(made.chunk.made_by).inc(made.chunk.count)
        return made.chunk

    def _tell(self, obstacle: str) -> None:
        if obstacle and obstacle not in self._told:
            self._told.add(obstacle)
            _log.warning("units are made by the reference, a tenth as fast", obstacle=obstacle)

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.parallel,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=minting_process.prepare,
            initargs=(self._keys_folder,),
        )
