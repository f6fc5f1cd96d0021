"""The whole local stack with Envoy and anvil: one for the session, and private ones for tests that break things."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from deploy.local.stack import LocalStack


class MakeStack(Protocol):
    """Starts a stack of the test's own; the arguments are LocalStack's."""

    def __call__(self, **arguments: Any) -> LocalStack: ...


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[LocalStack]:
    """The session's stack. Tests share it: they make their own products and batches, and break nothing."""
    yield from _running(request)


@pytest.fixture(scope="module")
def breakable(request: pytest.FixtureRequest) -> Iterator[LocalStack]:
    """A stack of the module's own, with its STACK_SETTINGS. Its tests break parts, and mend what they break."""
    yield from _running(request, settings=getattr(request.module, "STACK_SETTINGS", None))


@pytest.fixture
def make_stack(request: pytest.FixtureRequest) -> Iterator[MakeStack]:
    """A function that starts a private stack, which may be broken at will and is removed after the test."""
    running: list[Iterator[LocalStack]] = []

    def make(**arguments: Any) -> LocalStack:
        running.append(_running(request, **arguments))
        return next(running[-1])

    yield make
    for each in running:
        next(each, None)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that PostgreSQL's user can reach, which pytest's own are not."""
    made = Path(tempfile.mkdtemp(prefix="voketag-e2e-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def _running(request: pytest.FixtureRequest, **arguments: Any) -> Iterator[LocalStack]:
    folder = Path(tempfile.mkdtemp(prefix="voketag-e2e-"))
    folder.chmod(0o711)
    failed_before = request.session.testsfailed
    made = LocalStack(folder, **arguments)
    try:
        with made:
            yield made
    finally:
        if request.session.testsfailed > failed_before:
            sys.stderr.write(f"\nthe logs of the failed tests' stack are kept in {made.logs}\n")
            made.postgres.remove()
        else:
            made.remove()
