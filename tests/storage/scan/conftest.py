"""Scan's held connection to the test's own database."""

from collections.abc import AsyncIterator

import pytest

from services.scan.storage.connection import HeldConnection
from tests.conftest import DatabaseUrl


@pytest.fixture
async def connection(database_url: DatabaseUrl) -> AsyncIterator[HeldConnection]:
    """A connection in Scan's role."""
    async with HeldConnection(dsn=database_url("voketag_scan"), name="test", timeout_seconds=5) as held:
        yield held
