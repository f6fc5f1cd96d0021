"""Anchor's steps on a real PostgreSQL and a real anvil, each step run by a worker of its own."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from deploy.local.anvil import Anvil
from services.anchor.chain import EvmChain
from services.common.database import Database
from services.common.settings import ProcessSettings
from tests.conftest import DatabaseUrl
from tests.storage.anchor.line import Line
from tests.storage.anchor_chain.conftest import (  # noqa: F401 - fixtures that these tests share
    anvil,
    anvil_process,
    chain,
    deployment,
    node,
    open_chain,
    owner,
    writer,
)


@pytest.fixture
async def anchor_database(database_url: DatabaseUrl) -> AsyncIterator[Database]:
    """Anchor's connections to the test's own database."""
    async with aclosing(Database.open(ProcessSettings(database_url=database_url("voketag_anchor")))) as database:
        yield database


@pytest.fixture
def line(anchor_database: Database, chain: EvmChain, anvil: Anvil) -> Line:  # noqa: F811
    """The steps, with one confirmation unless a test says otherwise."""
    return Line(anchor_database, chain, anvil)
