"""Servers started as in production, on a free port, with real parts behind them, and credentials to call them with."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.free_ports import take_port
from deploy.local.valkey import Valkey
from services.common.caller import TENANT_SCOPES, Role
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.settings import ProcessSettings
from services.common.tokens import TokenSigner
from services.factory.app import open_app
from services.factory.operations.api_keys import ApiKeys
from services.factory.operations.tenants import create_tenant
from services.factory.settings import Settings
from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client
from voketag.factory.v1 import factory_pb2_grpc

UNIT_SECRET = bytes(range(32))
"""The secret of signing key 1 in every test."""


@dataclass(frozen=True)
class TokenKeys:
    """Ed25519 keys of users and services: `private` has a `<kid>.pem` each, `public` is what servers believe."""

    private: Path
    public: Path

    def user(self, *, role: Role, tenant_id: UUID | None, lifetime: timedelta = timedelta(minutes=5)) -> str:
        """Return a person's access token."""
        return self._signer("user-1").access_token(user_id=uuid4(), tenant_id=tenant_id, role=role, lifetime=lifetime)

    def service(self, name: str, *, audience: str) -> str:
        """Return a token that names the service `name` to the service `audience`."""
        return self._signer(f"service-{name}-1").service_token(audience=audience)

    def _signer(self, kid: str) -> TokenSigner:
        return TokenSigner(key_file=self.private / f"{kid}.pem", clock=SystemClock())


@dataclass(frozen=True)
class Partner:
    """A tenant with an API key that may do everything."""

    tenant_id: UUID
    api_key: str


@pytest.fixture(scope="session")
def token_keys(tmp_path_factory: pytest.TempPathFactory) -> TokenKeys:
    """Keys that sign tokens."""
    folder = tmp_path_factory.mktemp("token-keys")
    keys = TokenKeys(private=folder / "private", public=folder / "public")
    keys.private.mkdir()
    keys.public.mkdir()
    for kid in ("user-1", "service-factory-1", "service-scan-1", "service-anchor-1", "service-admin-1"):
        key = Ed25519PrivateKey.generate()
        (keys.private / f"{kid}.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (keys.public / f"{kid}.pem").write_bytes(
            key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
    return keys


@pytest.fixture(scope="session")
def unit_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with signing key 1."""
    folder = tmp_path_factory.mktemp("unit-keys")
    (folder / "1.key").write_text(UNIT_SECRET.hex())
    return folder


@pytest.fixture(scope="session")
def webhook_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the key that webhook secrets are encrypted with."""
    folder = tmp_path_factory.mktemp("webhook-keys")
    (folder / "1.key").write_text(bytes(range(32, 64)).hex())
    return folder


@pytest.fixture(scope="session")
def statement_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the key of statements about batches."""
    folder = tmp_path_factory.mktemp("statement-keys")
    key = Ed25519PrivateKey.generate()
    (folder / "statement-1.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


@pytest.fixture
def factory_settings(  # noqa: PLR0917 - fixtures come by name
    database_url: DatabaseUrl,
    valkey: Valkey,
    token_keys: TokenKeys,
    unit_keys: Path,
    webhook_keys: Path,
    statement_keys: Path,
) -> Settings:
    """Settings of a Factory server on a free port."""
    return Settings(
        listen="127.0.0.1:0",
        environment="local",
        database_url=database_url("voketag_factory"),
        queue_url=valkey.url(0),
        hot_state_url=valkey.url(1),
        token_public_keys=token_keys.public,
        unit_keys=unit_keys,
        signing_key_id=1,
        webhook_keys=webhook_keys,
        webhook_private_targets=True,
        statement_keys=statement_keys,
        scan_address=f"127.0.0.1:{take_port()}",
        service_key=token_keys.private / "service-factory-1.pem",
        api_key_use_seconds=0.2,
        stop_grace_seconds=0.1,
    )


@pytest.fixture
async def factory_server(factory_settings: Settings) -> AsyncIterator[str]:
    """The address of a Factory server."""
    async with open_app(factory_settings) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.fixture
async def factory_as(factory_server: str) -> AsyncIterator[Callable[..., Client]]:
    """Makes clients of the Factory server: `factory_as(credential)`."""
    async with grpc.aio.insecure_channel(factory_server) as channel:
        stub = factory_pb2_grpc.FactoryServiceStub(channel)
        yield lambda credential="": Client(stub, credential)


@pytest.fixture
async def make_partner(database_url: DatabaseUrl) -> AsyncIterator[Callable[..., Awaitable[Partner]]]:
    """Makes tenants, as the command line does: `await make_partner("Acme", scopes=...)`."""
    clock = SystemClock()
    settings = ProcessSettings(database_url=database_url("voketag_factory"))
    async with aclosing(Database.open(settings)) as database:

        async def make(name: str, *, scopes: frozenset[str] = TENANT_SCOPES) -> Partner:
            tenant = await create_tenant(
                database=database, clock=clock, name=name, verification_base_url=f"https://{name.lower()}.example"
            )
            async with database.transaction() as tx:
                new = await ApiKeys(database=database, clock=clock).create(
                    tx, tenant.tenant_id, name="test", scopes=scopes, expires_at=None, granted_by=TENANT_SCOPES
                )
            return Partner(tenant_id=tenant.tenant_id, api_key=new.credential)

        yield make


@pytest.fixture
async def acme(make_partner: Callable[..., Awaitable[Partner]]) -> Partner:
    """A tenant."""
    return await make_partner("Acme")


@pytest.fixture
async def rival(make_partner: Callable[..., Awaitable[Partner]]) -> Partner:
    """Another tenant."""
    return await make_partner("Rival")


@pytest.fixture
def factory(factory_as: Callable[..., Client], acme: Partner) -> Client:
    """Factory, called with Acme's key."""
    return factory_as(acme.api_key)


@pytest.fixture
def factory_of_rival(factory_as: Callable[..., Client], rival: Partner) -> Client:
    """Factory, called with Rival's key."""
    return factory_as(rival.api_key)
