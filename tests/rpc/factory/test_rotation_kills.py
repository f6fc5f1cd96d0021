"""A server is killed in the middle of a rotation: the old secret works on, and the same request rotates once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from uuid import uuid4

import asyncpg
import grpc
import pytest
from google.protobuf.message import Message

from services.factory.settings import Settings
from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client
from tests.rpc.conftest import Partner
from tests.rpc.factory.test_idempotency import a_server_process, waits_for_a_lock
from voketag.factory.v1 import factory_pb2 as pb
from voketag.factory.v1 import factory_pb2_grpc, webhooks_pb2

Sql = Callable[[str], Awaitable[Any]]


async def key_rotation(factory: Client) -> Message:
    made = await factory.CreateApiKey(pb.CreateApiKeyRequest(name="line 3", scopes=["products:read"]))
    return pb.RotateApiKeyRequest(key_id=made.api_key.key_id, request_id=str(uuid4()), overlap_seconds=60)


async def webhook_rotation(factory: Client) -> Message:
    request = webhooks_pb2.CreateWebhookEndpointRequest(url="http://127.0.0.1:9/hook")
    made = await factory.CreateWebhookEndpoint(request)
    return webhooks_pb2.RotateWebhookSecretRequest(
        endpoint_id=made.endpoint.endpoint_id, request_id=str(uuid4()), overlap_seconds=60
    )


class Rotation(NamedTuple):
    """A method, its request, the table that it changes, and how many secrets there are then."""

    method: str
    make: Callable[[Client], Awaitable[Message]]
    table: str
    secrets: str


ROTATIONS = (
    Rotation("RotateApiKey", key_rotation, "api_keys", "SELECT count(*) - 1 FROM factory.api_keys"),
    Rotation(
        "RotateWebhookSecret",
        webhook_rotation,
        "webhook_endpoints",
        "SELECT 1 + count(previous_secret) FROM factory.webhook_endpoints",
    ),
)


@pytest.mark.parametrize("rotation", ROTATIONS, ids=lambda rotation: rotation.method)
async def test_a_rotation_that_was_killed_changed_nothing_and_is_done_once_when_asked_again(  # noqa: PLR0917 - fixtures come by name
    factory_settings: Settings,
    factory: Client,
    acme: Partner,
    database_url: DatabaseUrl,
    sql: Sql,
    rotation: Rotation,
) -> None:
    method, make, table, secrets = rotation
    rows = (
        "SELECT md5(string_agg(row, ' ' ORDER BY row)) FROM "  # noqa: S608 - our own names
        f"(SELECT (to_jsonb(t) - 'last_used_at')::text AS row FROM factory.{table} t) AS rows"
    )
    request: Any = await make(factory)
    before = await sql(rows)
    async with a_server_process(factory_settings) as (process, address), grpc.aio.insecure_channel(address) as to:
        await asyncio.wait_for(to.channel_ready(), 60)
        doomed = Client(factory_pb2_grpc.FactoryServiceStub(to), acme.api_key)
        # Every statement of the rotation passes, and the record of its answer, which is the last, waits for this lock.
        connection = await asyncpg.connect(database_url())
        try:
            holder = connection.transaction()
            await holder.start()
            await connection.execute("LOCK TABLE factory.idempotency IN SHARE MODE")
            flying = asyncio.ensure_future(getattr(doomed, method)(request, wait_for_ready=True))
            await waits_for_a_lock(database_url)
            process.kill()
            with pytest.raises(grpc.aio.AioRpcError):
                await flying
            await holder.rollback()
        finally:
            await connection.close()
    assert await sql(secrets) == 1
    assert await sql(rows) == before
    first = await getattr(factory, method)(request)
    again = await getattr(factory, method)(request)
    assert first.secret
    assert not again.secret, "a secret is shown once"
    assert await sql(secrets) == 2
