"""Ports that nobody else on this machine takes: processes that look for some hold blocks of them under a lock."""

import fcntl
import os
import random
import socket
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, Self, TextIO

from deploy.local.errors import StackError

# Below what Linux (32768) and macOS (49152) give to outgoing connections: while a part is down in a fault test, its
# clients' attempts to come back could otherwise be given its port as their own.
_RANGE: Final = range(15_000, 32_000)
_BLOCK: Final = 50
_MOST_BLOCKS: Final = 16
"""A process that has taken so many blocks comes back to its first one: what listened there is long over."""


def take_port() -> int:
    """Return a loopback port that nobody listens on, and that is this process's to use.

    A port that is merely free now can be chosen by two stacks before either listens there, or taken while the part that
    had it is started again. A lock on its block ends with the process, however that ends.
    """
    with _taking:
        return next(_ports)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections of the last run do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class _Block:
    ports: range
    lock: TextIO

    @classmethod
    def claim(cls, first: int) -> Self | None:
        """Return the block that begins with the port `first`, unless another process has it."""
        folder = Path(tempfile.gettempdir()) / f"voketag-ports-{os.geteuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = (folder / str(first)).open("w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return cls(range(first, first + _BLOCK), lock)


def _walk() -> Iterator[int]:
    unclaimed = list(_RANGE[::_BLOCK])
    random.SystemRandom().shuffle(unclaimed)
    held: deque[_Block] = deque()
    while True:
        block = None
        while block is None and unclaimed and len(held) < _MOST_BLOCKS:
            block = _Block.claim(unclaimed.pop())
        if block is None and held:
            block = held.popleft()
        if block is None:
            raise StackError(f"too few free ports between {_RANGE.start} and {_RANGE.stop}: stop some servers")
        held.append(block)
        yield from filter(is_free, block.ports)


_ports = _walk()
_taking = Lock()
