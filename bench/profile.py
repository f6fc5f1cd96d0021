"""Where a Python process spends its CPU, by part of the program.

A process that is started as `python -m bench.profile MODULE FILE` runs MODULE as `python -m MODULE` would. SIGUSR1
starts and ends sampling: every two milliseconds of its CPU it notes what it is doing, and at the end it writes counts
by part. Threads of grpc's core have no Python frames: what they and uvloop take between callbacks shows as `event loop
and kernel`. A sampler of its own rather than py-spy: a benchmark needs shares, not frames, and no rights for them.
"""

import json
import os
import runpy
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

_EVERY_SECONDS = 0.002
# By the innermost frame that is one of these; the first match of its path.
_PARTS = (
    ("/redis/", "redis"),
    ("/scan/hot_state", "redis"),
    ("/asyncpg/", "postgresql"),
    ("/scan/storage/", "postgresql"),
    ("/grpc/", "grpc"),
    ("/common/rpc/http_", "http"),
    ("/common/rpc/server", "grpc"),
    ("/protovalidate/", "validation"),
    ("/services/common/", "pipeline"),
    ("/services/scan/", "ours"),
    ("/voketag_kernel/", "ours"),
)
_REST = "event loop and kernel"


@contextmanager
def sampling(pid: int, file: Path) -> Iterator[dict[str, float]]:
    """Sample a process that runs under this module; the mapping has each part's share after the block."""
    shares: dict[str, float] = {}
    file.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    yield shares
    os.kill(pid, signal.SIGUSR1)
    deadline = time.monotonic() + 10
    while not file.exists():
        if time.monotonic() > deadline:
            raise SystemExit("the profiled process wrote nothing")
        time.sleep(0.05)
    counts: dict[str, int] = json.loads(file.read_text())
    total = sum(counts.values())
    shares.update({part: count / total for part, count in sorted(counts.items(), key=lambda pair: -pair[1])})


class Sampler:
    """Counts, by part, what the process does."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._counts: Counter[str] = Counter()
        self._running = False

    def switch(self, _number: int, _frame: FrameType | None) -> None:
        """Start, or end and write."""
        self._running = not self._running
        signal.setitimer(signal.ITIMER_PROF, *([_EVERY_SECONDS] * 2 if self._running else (0, 0)))
        if not self._running:
            written = self._file.with_suffix(".part")
            written.write_text(json.dumps(self._counts))
            written.rename(self._file)
            self._counts = Counter()

    def sample(self, _number: int, frame: FrameType | None) -> None:
        """Count one sample."""
        self._counts[part_of(frame)] += 1


def part_of(frame: FrameType | None) -> str:
    """Return the part that a frame belongs to, by itself or by what called it."""
    while frame is not None:
        path = frame.f_code.co_filename
        for marker, part in _PARTS:
            if marker in path:
                return _REST if path.endswith("common/process.py") else part
        frame = frame.f_back
    return _REST


def main() -> None:
    """Run the module."""
    module, file = sys.argv[1], Path(sys.argv[2])
    sampler = Sampler(file)
    signal.signal(signal.SIGUSR1, sampler.switch)
    signal.signal(signal.SIGPROF, sampler.sample)
    signal.siginterrupt(signal.SIGPROF, False)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
