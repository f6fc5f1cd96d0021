"""A PostgreSQL that holds its connections and answers nothing, as behind a network that swallows everything."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.local.postgres import Postgres


@contextmanager
def frozen(postgres: Postgres) -> Iterator[None]:
    """Stop the server with all of its processes where they stand (SIGSTOP), and let them go on at the end."""
    postmaster = postgres.pid
    assert postmaster is not None
    os.kill(postmaster, signal.SIGSTOP)  # first: it makes no more of them then
    children = [int(pid) for pid in Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()]
    try:
        _signal(children, signal.SIGSTOP)
        yield
    finally:
        _signal([*children, postmaster], signal.SIGCONT)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
