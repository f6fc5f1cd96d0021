"""Which processes belong to a data folder, on disk, so that another command can find and stop them."""

import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.errors import StackError


@dataclass(frozen=True, slots=True)
class Entry:
    """One process: its id alone may be another process's by now, so the time of its start goes with it."""

    name: str
    pid: int
    started: str

    @classmethod
    def of(cls, name: str, pid: int) -> "Entry":
        """Describe a process that runs now."""
        return cls(name=name, pid=pid, started=started(pid))

    @property
    def alive(self) -> bool:
        """The very process still runs."""
        return self.started != "" and started(self.pid) == self.started


def started(pid: int) -> str:
    """Return when a process started, in words that are only good for comparing; empty when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return ""
        done = subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return done.stdout.strip()
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]  # proc(5): field 22, and a zombie has ended


def write(file: Path, processes: Iterable[tuple[str, int | None]]) -> None:
    """Write down the supervisor, which is this process, and what it runs."""
    entries = [Entry.of("supervisor", os.getpid()), *(Entry.of(name, pid) for name, pid in processes if pid)]
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps([asdict(entry) for entry in entries], indent=2))
    unfinished.replace(file)


def read(file: Path) -> list[Entry]:
    """Return what was written down, the supervisor first; empty when nothing was."""
    return [Entry(**entry) for entry in json.loads(file.read_text())] if file.exists() else []


def wait_gone(entry: Entry, seconds: float) -> bool:
    """Wait for a process that is not our child to end; False when it has not."""
    deadline = time.monotonic() + seconds
    while entry.alive:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def sole_user(folder: Path) -> Iterator[None]:
    """Keep a second stack out of the folder; the lock goes with the process, however it ends."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(f"another stack runs in {folder}: stop it (`make down`) or take another folder") from None
        yield
