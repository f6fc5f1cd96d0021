"""Breaking a part of a running stack, and waiting with a deadline for what must follow."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from deploy.local.stack import LocalStack

ResultT = TypeVar("ResultT")

_CLOCK = """
CREATE OR REPLACE FUNCTION other_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS $$ SELECT pg_catalog.clock_timestamp() + interval '{seconds} seconds' $$
"""
_CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'"


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


@contextmanager
def clock_of_postgres(stack: LocalStack, role: str) -> Iterator[Callable[[timedelta], None]]:
    """Yield what sets PostgreSQL's clock so far off, as a role sees it. The role's connections are cut at both ends."""

    def set_off(by: timedelta) -> None:
        stack.sql(_CLOCK.format(seconds=by.total_seconds()))

    def with_search_path(change: str) -> None:
        stack.sql(f"ALTER ROLE {role} {change}")
        stack.sql(_CUT.format(role=role))

    stack.sql("CREATE SCHEMA other_clock")
    stack.sql("GRANT USAGE ON SCHEMA other_clock TO PUBLIC")
    set_off(timedelta())
    with_search_path("SET search_path = other_clock, pg_catalog")  # what has no schema is looked for there first
    try:
        yield set_off
    finally:
        with_search_path("RESET search_path")
        stack.sql("DROP SCHEMA other_clock CASCADE")
