"""Breaking a part of a running stack, and waiting with a deadline for what must follow."""

import time
from collections.abc import Callable
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
