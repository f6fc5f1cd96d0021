"""Breaking a part of a running stack, and waiting with a deadline for what must follow."""

import time
import urllib.request
from collections.abc import Callable, Sequence
from typing import TypeVar

from deploy.local.stack import LocalStack

ResultT = TypeVar("ResultT")


def wait_until(what: str, met: Callable[[], ResultT | None], *, seconds: float, every: float = 0.02) -> ResultT:
    """Return what `met` returns once it is neither None nor false; the failure says what did not come."""
    deadline = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(every)
    return found


def stays(what: str, met: Callable[[], bool], *, seconds: float) -> None:
    """Make sure that something holds for a while, looking every quarter of a second."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert met(), f"no longer so: {what}"
        time.sleep(0.25)


def crash(stack: LocalStack, part: str, *, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Kill -9 a part, do something while it is gone, and start it again; returns when it answers."""
    pid = stack.parts[part].pid
    stack.kill(part)
    assert not stack.parts[part].running
    meanwhile()
    stack.start(part)
    assert stack.parts[part].pid not in {None, pid}


def at_the_edge(stack: LocalStack, process: str) -> dict[str, str]:
    """What Envoy says of a process behind it: `health_flags`, `rq_total` and the like."""
    room = process.partition("-")[0]
    start = f"{room}::127.0.0.1:{stack.ports[process]}::"
    with urllib.request.urlopen(f"http://127.0.0.1:{stack.ports['edge-admin']}/clusters", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return dict(line.removeprefix(start).split("::", 1) for line in lines if line.startswith(start))


def wait_until_in_service(stack: LocalStack, processes: Sequence[str]) -> None:
    """Return when the edge sends calls to each of the processes (again)."""
    wait_until(
        f"the edge finds {' and '.join(processes)} healthy",
        lambda: all(at_the_edge(stack, process)["health_flags"] == "healthy" for process in processes),
        seconds=5,
        every=0.1,
    )
