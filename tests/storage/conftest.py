"""Storage against a real PostgreSQL, in the role of the service whose storage it is."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from services.common.database import Database
from services.common.settings import ProcessSettings
from tests.conftest import DatabaseUrl


@pytest.fixture
async def factory_database(database_url: DatabaseUrl) -> AsyncIterator[Database]:
    """Factory's connections to the test's own database."""
    async with aclosing(Database.open(ProcessSettings(database_url=database_url("voketag_factory")))) as database:
        yield database
