"""Real parts for every ring: a PostgreSQL and a Valkey of our own, and a migrated database for each test."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from deploy.local.postgres import SUPERUSER, Postgres
from deploy.local.valkey import Valkey
from tests.databases import Databases

# Not UTC, and without whole hours: a time that forgets its zone shows.
os.environ["TZ"] = "Asia/Kathmandu"
time.tzset()
# Tests start servers while gRPC's threads run. Its fork handlers, of no use before an exec, can crash the new process.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"


class DatabaseUrl(Protocol):
    """Returns the URL of the test's database for a role: a service's own, or the owner of everything."""

    def __call__(self, role: str = SUPERUSER) -> str: ...


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """PostgreSQL, started for this test process and provably the one that was started."""
    # Nothing here outlives the machine, and kill -9 loses nothing that the kernel has. Without fsync a file copy is the
    # fastest way to a database. The server of a whole stack keeps the usual settings.
    with Postgres(tmp_path_factory.mktemp("postgres"), settings={"fsync": "off"}) as server:
        served = server.sql("SHOW data_directory")
        assert Path(served).samefile(server.data), f"port {server.port} leads to {served}, which is not ours"
        yield server
    server.remove()  # as root the data are not under pytest's folder


@pytest.fixture(scope="session")
def databases(postgres: Postgres) -> Databases:
    """Databases as the migrations make them."""
    environment = {**os.environ, "VOKETAG_DATABASE_URL": postgres.url()}
    subprocess.run([sys.executable, "-m", "services.migrations", "upgrade"], env=environment, check=True)
    # With the partitions that nearly every test needs, most leave the schema as it was: those of key 1's units, and of
    # scans of today and of the day that tests with a clock of their own begin at.
    postgres.sql(
        "SELECT factory.ensure_unit_partition(1::bigint << 40), scan.ensure_event_partition('2026-03-01'), "
        "(SELECT count(scan.ensure_event_partition((now() + n * interval '1 month')::date)) "
        "FROM generate_series(0, 2) AS n)"
    )
    return Databases(postgres, "voketag")


@pytest.fixture
def database_url(postgres: Postgres, databases: Databases) -> Iterator[DatabaseUrl]:
    """A database of the test's own, as a function of the role."""
    name = databases.take()

    def url(role: str = SUPERUSER) -> str:
        return postgres.url(role, name)

    yield url
    if postgres.running:
        databases.give_back(name)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """Valkey, started for this test process."""
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server
