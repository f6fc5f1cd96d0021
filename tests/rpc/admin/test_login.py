"""Signing in: right, wrong, and never telling which part was wrong."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import uuid4

import grpc
import pytest

from services.admin.app import open_app
from services.admin.operations import create_user
from services.admin.settings import Settings
from services.common.caller import Role
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.errors import InvalidArgument
from services.common.settings import ProcessSettings
from services.common.tokens import TokenVerifier
from tests.conftest import DatabaseUrl
from tests.rpc.calls import refusal
from tests.rpc.conftest import TokenKeys
from voketag.admin.v1 import admin_pb2, admin_pb2_grpc

PASSWORD = "correct horse battery"
EMAIL = "Ana@Example.com"
TENANT = uuid4()


@pytest.fixture
async def database(database_url: DatabaseUrl) -> AsyncIterator[Database]:
    async with aclosing(Database.open(ProcessSettings(database_url=database_url("voketag_admin")))) as opened:
        yield opened


@pytest.fixture
async def admin(database_url: DatabaseUrl, token_keys: TokenKeys, database: Database) -> AsyncIterator[str]:
    await create_user(
        database=database, clock=SystemClock(), email=EMAIL, password=PASSWORD, role=Role.ADMIN, tenant_id=TENANT
    )
    settings = Settings(
        listen="127.0.0.1:0",
        database_url=database_url("voketag_admin"),
        token_public_keys=token_keys.public,
        user_token_key=token_keys.private / "user-1.pem",
        stop_grace_seconds=0.1,
    )
    async with open_app(settings) as server:
        yield f"127.0.0.1:{server.port}"


async def login(address: str, email: str, password: str) -> admin_pb2.LoginResponse:
    async with grpc.aio.insecure_channel(address) as channel:
        request = admin_pb2.LoginRequest(email=email, password=password)
        return await admin_pb2_grpc.AdminServiceStub(channel).Login(request)


async def test_the_right_password_gives_a_token_that_services_believe(admin: str, token_keys: TokenKeys) -> None:
    answer = await login(admin, "  ana@example.COM", PASSWORD)
    caller = TokenVerifier(public_keys=token_keys.public, service="factory").verify(answer.access_token)
    assert (answer.token_type, answer.expires_in, answer.role) == ("Bearer", 900, admin_pb2.ROLE_ADMIN)
    assert (caller.subject, caller.tenant_id) == (answer.user_id, TENANT)


@pytest.mark.parametrize(
    ("email", "password"), [(EMAIL, "wrong"), ("nobody@example.com", PASSWORD), ("ana\0@example.com", PASSWORD)]
)
async def test_a_wrong_address_and_a_wrong_password_are_told_apart_by_nobody(
    admin: str, email: str, password: str
) -> None:
    refused = await refusal(login(admin, email, password))
    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "WRONG_CREDENTIALS")
    assert refused.message == "the e-mail address or the password is wrong"


@pytest.mark.parametrize(("email", "password"), [("", PASSWORD), (EMAIL, ""), (EMAIL, "x" * 256), ("a" * 255, "x")])
async def test_a_login_out_of_bounds_is_invalid(admin: str, email: str, password: str) -> None:
    assert (await refusal(login(admin, email, password))).reason == "INVALID_ARGUMENT"


async def test_an_address_is_one_person(database: Database, admin: str) -> None:
    with pytest.raises(InvalidArgument, match="exists"):
        await create_user(
            database=database,
            clock=SystemClock(),
            email=EMAIL.upper(),
            password=PASSWORD,
            role=Role.VIEWER,
            tenant_id=None,
        )


async def test_a_short_password_is_refused(database: Database) -> None:
    with pytest.raises(InvalidArgument, match="12 characters"):
        await create_user(
            database=database, clock=SystemClock(), email="b@c.d", password="short", role=Role.VIEWER, tenant_id=None
        )
