"""A Scan server as in production, real PostgreSQL and Valkey behind it, and a registry filled by SQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from redis import Redis

from deploy.local.free_ports import take_port
from deploy.local.valkey import Valkey
from services.common.rpc.server import Server
from services.scan.app import open_app
from services.scan.settings import Settings
from tests.conftest import DatabaseUrl
from tests.rpc.conftest import UNIT_SECRET, TokenKeys
from tests.rpc.scan.clients import Consumer
from tests.rpc.scan.registry import Registry
from voketag_kernel.codes import UnitCodeKey

_READY_SECONDS = 10


@pytest.fixture
def registry(database_url: DatabaseUrl) -> Registry:
    """A tenant's product and batches, written by the database's owner."""
    return Registry(url=database_url(), key=UnitCodeKey(1, UNIT_SECRET))


@pytest.fixture(scope="session")
def fingerprint_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secret behind the hashes of devices."""
    file = tmp_path_factory.mktemp("fingerprint") / "fingerprint.key"
    file.write_text("5e" * 32)
    return file


@pytest.fixture(scope="session")
def verdict_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the keys that sign verdicts: one retired, one in use."""
    folder = tmp_path_factory.mktemp("verdict-keys")
    retired, used = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    (folder / "verdict-1.pem").write_bytes(
        retired.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (folder / "verdict-2.pem").write_bytes(
        used.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


@pytest.fixture
def hot_state_url(valkey: Valkey) -> str:
    """An empty hot state."""
    with Redis.from_url(valkey.url(1)) as redis:
        redis.flushdb()
    return valkey.url(1)


@pytest.fixture
def scan_settings(  # noqa: PLR0917 - fixtures come by name
    database_url: DatabaseUrl,
    hot_state_url: str,
    token_keys: TokenKeys,
    unit_keys: Path,
    fingerprint_key: Path,
    verdict_keys: Path,
) -> Settings:
    """Settings of a Scan server on a free port."""
    return Settings(
        listen="127.0.0.1:0",
        http_listen="127.0.0.1:0",
        environment="local",
        database_url=database_url("voketag_scan"),
        hot_state_url=hot_state_url,
        token_public_keys=token_keys.public,
        service_key=token_keys.private / "service-scan-1.pem",
        unit_keys=unit_keys,
        fingerprint_key=fingerprint_key,
        verdict_keys=verdict_keys,
        factory_address=f"127.0.0.1:{take_port()}",
        anchor_address=f"127.0.0.1:{take_port()}",
        stop_grace_seconds=0.1,
    )


@pytest.fixture
async def server(scan_settings: Settings) -> AsyncIterator[Server]:
    """A Scan server with both doors, that is ready: a balancer sends nobody to one that still looks for PostgreSQL."""
    async with open_app(scan_settings) as server:
        await Consumer(f"127.0.0.1:{server.port}").ready_within(_READY_SECONDS)
        yield server


@pytest.fixture
def scan_server(server: Server) -> str:
    """The address of the server."""
    return f"127.0.0.1:{server.port}"


@pytest.fixture
def transport() -> str:
    """What `consumer` calls over. Modules whose tests hold for every transport go through TRANSPORTS."""
    return "grpc.aio"


@pytest.fixture
def consumer(server: Server, scan_server: str, transport: str) -> Consumer:
    """A person with a phone."""
    return Consumer(scan_server, second_door=server.http_port if transport == "http/1.1" else 0)
