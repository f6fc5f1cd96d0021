"""The processes that make chunks, so that hashing stays off the event loop and off its core.

They are spawned, not forked: a fork would copy threads' locks in whatever state they are, and the parent's memory
with them.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path
from typing import Self

from services.common import unit_keys
from services.common.errors import SigningKeyExhausted, Unavailable
from services.factory.minting import mint_chunk
from services.factory.model.issuing import Chunk, ChunkOrder
from voketag_kernel.codes import KeyRing


class MintingPool:
    """A fixed number of processes. Each reads the keys' files itself, so that no secret crosses a pipe."""

    def __init__(self, *, processes: int, keys_folder: Path) -> None:
        self.parallel = processes
        self._keys_folder = keys_folder
        self._executor = self._start()

    async def __aenter__(self) -> Self:
        """Nothing to do: processes start when there is work."""
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
            chunk = await asyncio.get_running_loop().run_in_executor(executor, _mint, order)
        except BrokenProcessPool as error:
            if executor is self._executor:  # several chunks find it broken; the first puts a new one in its place
                self._executor = self._start()
            raise Unavailable("a minting process was killed; the batch goes on by itself") from error
        if chunk is None:
            raise SigningKeyExhausted(
                f"the worker has no secret for signing key {order.key_id}; put its file into the folder of unit keys"
            )
        return chunk

    def _start(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.parallel,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare,
            initargs=(self._keys_folder,),
        )


_keys: KeyRing


def _prepare(keys_folder: Path) -> None:
    global _keys  # noqa: PLW0603 - a pool's initializer has no other place for what it prepares
    _keys = unit_keys.load(keys_folder)
    # Signals for the whole group are the parent's to obey: it ends these processes once their chunks are made.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent was killed: the pool's own pipes would keep it waiting for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _mint(order: ChunkOrder) -> Chunk | None:
    if order.key_id not in _keys:
        return None
    return mint_chunk(_keys[order.key_id], order)
