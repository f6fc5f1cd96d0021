"""What runs in a process of `MintingPool`.

numpy and the derivations are imported inside: the pool's own process names these functions and needs nothing of that,
and a process that makes units needs nothing of the pool. The two imports together would cost each side tens of MiB.

A process begins with the reference derivation and changes to the fast one once that is loaded, in a thread of its own:
compiling it for the first time takes longer than a lease, and no batch waits for it.
"""

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

from services.common import unit_keys
from services.factory.model.issuing import Chunk, ChunkOrder
from voketag_kernel.codes import KeyRing

if TYPE_CHECKING:
    from services.factory.derivation import Loaded


@dataclass(frozen=True, slots=True)
class Made:
    """What a process answers.

    `chunk` is None without the key's secret; `obstacle` says why there is no fast derivation, once that is known.
    """

    chunk: Chunk | None
    obstacle: str


_keys: KeyRing
_loaded: "Loaded"


def prepare(keys_folder: Path) -> None:
    """Set this process up, before its first chunk."""
    from services.factory.derivation import REFERENCE, Loaded  # noqa: PLC0415 - see above

    global _keys, _loaded
    _keys, _loaded = unit_keys.load(keys_folder), Loaded(REFERENCE)
    # Signals for the whole group are the parent's to obey: it ends these processes once their chunks are made.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    # No daemon: a process that ends while LLVM compiles may crash in LLVM, and the next one should find a warm cache.
    threading.Thread(target=_load).start()


def stand_by() -> None:
    """Do nothing: the process runs."""


def mint(order: ChunkOrder) -> Made:
    """Make one chunk."""
    from services.factory.minting import mint_chunk  # noqa: PLC0415 - see above

    loaded = _loaded
    chunk = mint_chunk(_keys[order.key_id], order, loaded.derivation) if order.key_id in _keys else None
    return Made(chunk, loaded.obstacle)


def _load() -> None:
    from services.factory import derivation  # noqa: PLC0415 - see above

    global _loaded  # noqa: PLW0603 - as above
    _loaded = derivation.load()


def _end_with_parent() -> None:
    """End this process when its parent was killed: the pool's own pipes would keep it waiting for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
