"""One worker at a time owns the nonce."""

import asyncio

from deploy.local.postgres import Postgres
from services.anchor.storage.ownership import OUTCOMES, nonces_of, ownership
from tests.conftest import DatabaseUrl


async def test_a_second_worker_stands_by_until_the_first_is_gone(database_url: DatabaseUrl) -> None:
    url = database_url("voketag_anchor")
    async with ownership(url, nonces_of(1)) as first:
        assert first is not None
        async with ownership(url, nonces_of(1)) as second:
            assert second is None
        async with ownership(url, nonces_of(2)) as other_chain:
            assert other_chain is not None
        async with ownership(url, OUTCOMES) as outcomes:
            assert outcomes is not None
    async with ownership(url, nonces_of(1)) as third:
        assert third is not None


async def test_an_owner_hears_that_it_lost_its_connection(database_url: DatabaseUrl, postgres: Postgres) -> None:
    async with ownership(database_url("voketag_anchor"), nonces_of(1)) as lost:
        assert lost is not None
        database = database_url().rpartition("/")[2]
        postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")  # noqa: S608 - our own name
        await asyncio.wait_for(lost.wait(), timeout=5)


async def test_without_a_database_nobody_is_the_owner() -> None:
    async with ownership("postgresql://voketag_anchor@127.0.0.1:1/none", nonces_of(1)) as owned:
        assert owned is None
