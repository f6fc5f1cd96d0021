"""Every write of the contract, done twice: one effect, one answer, and another request of that id is a conflict."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from google.api import httpbody_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.rpc.methods import methods_of
from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import Partner
from tests.rpc.factory.conftest import IssueBatch
from voketag.factory.v1 import batch_control_pb2, dead_letters_pb2, imports_pb2, settings_pb2, webhooks_pb2
from voketag.factory.v1 import factory_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["FactoryService"]
WRITES = [method for method in methods_of(SERVICE) if method.rule.scope.endswith(":write")]
SECRETS = {"secret"}
"""Fields that only the first answer has."""

Sql = Callable[[str], Awaitable[Any]]


class Things:
    """What writes are about, made when a write asks for it."""

    def __init__(
        self, factory: Client, partner: Partner, issue_batch: IssueBatch, product: pb.Product, sql: Sql
    ) -> None:
        self.factory = factory
        self.product_id = product.product_id
        self.issue_batch = issue_batch
        self._tenant_id = partner.tenant_id
        self._sql = sql

    async def batch_id(self, state: str) -> str:
        return await self.issue_batch(2, state=state)

    async def ordered(self) -> str:
        order = pb.CreateBatchRequest(product_id=self.product_id, quantity=2)
        return (await self.factory.CreateBatch(order)).batch_id

    async def paused(self) -> str:
        return (
            await self.factory.PauseBatch(batch_control_pb2.PauseBatchRequest(batch_id=await self.ordered()))
        ).batch_id

    async def unit_id(self) -> int:
        batch_id = await self.issue_batch(1)
        return (await self.factory.ListUnits(pb.ListUnitsRequest(batch_id=batch_id))).units[0].unit_id

    async def key_id(self) -> str:
        return (
            await self.factory.CreateApiKey(pb.CreateApiKeyRequest(name="k", scopes=["products:read"]))
        ).api_key.key_id

    async def endpoint_id(self) -> str:
        request = webhooks_pb2.CreateWebhookEndpointRequest(url="http://127.0.0.1:9/hook")
        return (await self.factory.CreateWebhookEndpoint(request)).endpoint.endpoint_id

    async def dead_letter_id(self) -> str:
        batch_id = await self.batch_id("FAILED")
        dead_letter_id = uuid4()
        await self._sql(
            "INSERT INTO factory.dead_letters "  # noqa: S608 - our own values
            "(dead_letter_id, tenant_id, kind, subject, cause, payload, created_at) "
            f"VALUES ('{dead_letter_id}', '{self._tenant_id}', 'batch.issuing', '{batch_id}', 'c', "
            f"""'{{"batch_id": "{batch_id}"}}', now()) RETURNING 1"""
        )
        return str(dead_letter_id)


async def import_order(things: Things) -> Message:
    file = httpbody_pb2.HttpBody(content_type="text/csv; charset=utf-8", data=b"serial\r\nE-1\r\n")
    return imports_pb2.ImportUnitsCsvRequest(product_id=things.product_id, file=file)


async def states_by_range(things: Things) -> Message:
    units = pb.UnitRange(batch_id=await things.batch_id("COMPLETED"))
    return pb.SetUnitStatesRequest(range=units, state=pb.UNIT_STATE_BLOCKED)


async def states_by_file(things: Things) -> Message:
    await things.batch_id("COMPLETED")
    file = httpbody_pb2.HttpBody(content_type="text/csv; charset=utf-8", data=b"serial\r\nS000000\r\n")
    return pb.SetUnitStatesCsvRequest(file=file, state=pb.UNIT_STATE_BLOCKED)


async def change_of_endpoint(things: Things) -> Message:
    return webhooks_pb2.UpdateWebhookEndpointRequest(
        endpoint_id=await things.endpoint_id(), endpoint=webhooks_pb2.WebhookEndpointChange(description="new")
    )


async def state_of_unit(things: Things) -> Message:
    return pb.SetUnitStateRequest(unit_id=await things.unit_id(), state=pb.UNIT_STATE_BLOCKED)


def of(make: Callable[[Things], Message]) -> Callable[[Things], Awaitable[Message]]:
    async def request(things: Things) -> Message:
        return make(things)

    return request


def about(kind: Any, field: str, thing: Callable[[Things], Awaitable[Any]], **more: Any) -> Any:
    async def request(things: Things) -> Message:
        return kind(**{field: await thing(things)}, **more)

    return request


REQUESTS: dict[str, Callable[[Things], Awaitable[Message]]] = {
    "CreateProduct": of(lambda _: pb.CreateProductRequest(sku="EVERY-1", name="Oil")),
    "UpdateProduct": of(
        lambda t: pb.UpdateProductRequest(product_id=t.product_id, product=pb.ProductChange(name="new"))
    ),
    "ArchiveProduct": of(lambda t: pb.ArchiveProductRequest(product_id=t.product_id)),
    "CreateBatch": of(lambda t: pb.CreateBatchRequest(product_id=t.product_id, quantity=3)),
    "RetryBatch": about(pb.RetryBatchRequest, "batch_id", lambda t: t.batch_id("FAILED")),
    "CancelBatch": about(pb.CancelBatchRequest, "batch_id", Things.ordered),
    "PauseBatch": about(batch_control_pb2.PauseBatchRequest, "batch_id", Things.ordered),
    "ResumeBatch": about(batch_control_pb2.ResumeBatchRequest, "batch_id", Things.paused),
    "ImportUnitsCsv": import_order,
    "SetUnitState": state_of_unit,
    "SetUnitStates": states_by_range,
    "SetUnitStatesCsv": states_by_file,
    "CreateApiKey": of(lambda _: pb.CreateApiKeyRequest(name="every", scopes=["products:read"])),
    "RotateApiKey": about(pb.RotateApiKeyRequest, "key_id", Things.key_id),
    "RevokeApiKey": about(pb.RevokeApiKeyRequest, "key_id", Things.key_id),
    "UpdateSettings": of(
        lambda _: settings_pb2.UpdateSettingsRequest(settings=settings_pb2.TenantSettings(version=1, warning_above=20))
    ),
    "CreateWebhookEndpoint": of(lambda _: webhooks_pb2.CreateWebhookEndpointRequest(url="http://127.0.0.1:9/hook")),
    "UpdateWebhookEndpoint": change_of_endpoint,
    "DeleteWebhookEndpoint": about(webhooks_pb2.DeleteWebhookEndpointRequest, "endpoint_id", Things.endpoint_id),
    "RotateWebhookSecret": about(webhooks_pb2.RotateWebhookSecretRequest, "endpoint_id", Things.endpoint_id),
    "TestWebhookEndpoint": about(webhooks_pb2.TestWebhookEndpointRequest, "endpoint_id", Things.endpoint_id),
    "RedeliverWebhooks": about(
        webhooks_pb2.RedeliverWebhooksRequest, "endpoint_id", Things.endpoint_id, since=Timestamp(seconds=1)
    ),
    "ReplayDeadLetter": about(dead_letters_pb2.ReplayDeadLetterRequest, "dead_letter_id", Things.dead_letter_id),
    "ReplayDeadLetters": of(lambda _: dead_letters_pb2.ReplayDeadLettersRequest(kind="batch.issuing", reason="r")),
    "DiscardDeadLetter": about(
        dead_letters_pb2.DiscardDeadLetterRequest, "dead_letter_id", Things.dead_letter_id, reason="r"
    ),
}
"""How each write is asked for. A stream of requests has the tests of files (test_imports.py)."""


@pytest.fixture
async def things(factory: Client, acme: Partner, issue_batch: IssueBatch, product: pb.Product, sql: Sql) -> Things:
    return Things(factory, acme, issue_batch, product, sql)


def test_every_write_of_the_contract_is_tried() -> None:
    assert {method.name.rpartition("/")[2] for method in WRITES if not method.client_streaming} == set(REQUESTS)


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_write_done_twice_is_done_once_and_answered_alike(things: Things, sql: Sql, name: str) -> None:
    request: Any = await REQUESTS[name](things)
    request.request_id = str(uuid4())
    call = getattr(things.factory, name)
    first = await call(request)
    effects = await everything(sql)
    second = await call(request)
    for field in SECRETS & set(first.DESCRIPTOR.fields_by_name):
        assert getattr(first, field)
        assert not getattr(second, field)
        first.ClearField(field)
    assert second == first
    assert await everything(sql) == effects


@pytest.mark.parametrize("name", REQUESTS)
async def test_an_id_that_was_used_for_another_request_is_a_conflict(things: Things, sql: Sql, name: str) -> None:
    request: Any = await REQUESTS[name](things)
    request.request_id = str(uuid4())
    call = getattr(things.factory, name)
    await call(request)
    await sql("UPDATE factory.idempotency SET request_hash = '\\x00' RETURNING 1")
    effects = await everything(sql)
    refused = await refusal(call(request))
    assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_CONFLICT")
    assert await everything(sql) == effects


async def everything(sql: Sql) -> dict[str, str]:
    """Return a digest of each of Factory's tables, apart from when keys were used."""
    names = str(
        await sql("SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'factory'")
    )
    return {
        table: await sql(
            "SELECT md5(coalesce(string_agg(row, ' ' ORDER BY row), '')) FROM "  # noqa: S608 - our own names
            f"(SELECT (to_jsonb(t) - 'last_used_at')::text AS row FROM factory.{table} AS t) AS rows"
        )
        for table in names.split(",")
    }
