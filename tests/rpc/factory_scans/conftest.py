"""A Factory that asks a Scan server of the same test."""

from collections.abc import AsyncIterator

import pytest

from services.factory.settings import Settings
from services.scan.storage.connection import HeldConnection
from tests.conftest import DatabaseUrl
from tests.rpc.scan.conftest import (
    fingerprint_key,
    hot_state_url,
    scan_server,
    scan_settings,
    server,
    verdict_keys,
)

__all__ = ["fingerprint_key", "hot_state_url", "scan_server", "scan_settings", "server", "verdict_keys"]


@pytest.fixture
def factory_settings(factory_settings: Settings, scan_server: str) -> Settings:
    """Settings that lead to the Scan server."""
    return factory_settings.model_copy(update={"scan_address": scan_server})


@pytest.fixture
async def connection(database_url: DatabaseUrl) -> AsyncIterator[HeldConnection]:
    """A connection in Scan's role, for what Scan's worker does."""
    async with HeldConnection(dsn=database_url("voketag_scan"), name="test", timeout_seconds=5) as held:
        yield held
