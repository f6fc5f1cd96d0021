"""Bad input and bad credentials: the right status and reason, and never an internal error."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from services.common.caller import TENANT_SCOPES, Role
from services.common.rpc.methods import methods_of
from tests.rpc.calls import Client, refusal, whole
from tests.rpc.conftest import Partner, TokenKeys
from voketag.factory.v1 import factory_pb2 as pb
from voketag.factory.v1 import webhooks_pb2

METHODS = {
    method.name.rpartition("/")[2]: method for method in methods_of(pb.DESCRIPTOR.services_by_name["FactoryService"])
}
UUID = "0197a1b2-0000-7000-8000-000000000000"
OK = {"sku": "A", "name": "A"}
HOOK = {"url": "http://127.0.0.1:9/hook"}

BAD = [
    ("CreateProduct", {}, "sku"),
    ("CreateProduct", {**OK, "sku": ""}, "sku"),
    ("CreateProduct", {**OK, "sku": "a b"}, "sku"),
    ("CreateProduct", {**OK, "sku": "x" * 65}, "sku"),
    ("CreateProduct", {**OK, "name": ""}, "name"),
    ("CreateProduct", {**OK, "name": "x" * 256}, "name"),
    ("CreateProduct", {**OK, "name": "a\0b"}, "name"),
    ("CreateProduct", {**OK, "description": "x" * 2001}, "description"),
    ("CreateProduct", {**OK, "description": "\0"}, "description"),
    ("CreateProduct", {**OK, "category": "x" * 101}, "category"),
    ("CreateProduct", {**OK, "category": "\0"}, "category"),
    ("CreateProduct", {**OK, "gtin": "123"}, "gtin"),
    ("CreateProduct", {**OK, "gtin": "12345678901"}, "gtin"),
    ("CreateProduct", {**OK, "gtin": "400638133393X"}, "gtin"),
    ("CreateProduct", {**OK, "gtin": "4006381333930"}, "gtin"),
    ("CreateProduct", {**OK, "markets": ["br"]}, "markets"),
    ("CreateProduct", {**OK, "markets": ["BR", "BR"]}, "markets"),
    ("CreateProduct", {**OK, "image_url": "http://img.example/a.png"}, "image_url"),
    ("CreateProduct", {**OK, "image_url": "https://img.example/a\0.png"}, "image_url"),
    ("CreateProduct", {**OK, "metadata": {"": "x"}}, "metadata"),
    ("CreateProduct", {**OK, "metadata": {"a\0": "x"}}, "metadata"),
    ("CreateProduct", {**OK, "metadata": {"a": "\0"}}, "metadata.a"),
    ("CreateProduct", {**OK, "metadata": {str(n): "x" for n in range(51)}}, "metadata"),
    ("CreateProduct", {**OK, "request_id": "1"}, "request_id"),
    ("GetProduct", {}, "product_id"),
    ("GetProduct", {"product_id": "1"}, "product_id"),
    ("GetProduct", {"product_id": "' OR 1=1 --"}, "product_id"),
    ("ListProducts", {"page_size": -1}, "page_size"),
    ("ListProducts", {"page_token": "x" * 4097}, "page_token"),
    ("UpdateProduct", {"product_id": UUID}, "product"),
    ("UpdateProduct", {"product_id": UUID, "product": pb.ProductChange(name="\0")}, "name"),
    (
        "UpdateProduct",
        {"product_id": UUID, "product": pb.ProductChange(name="a"), "update_mask": FieldMask(paths=["sku"])},
        "update_mask",
    ),
    ("ArchiveProduct", {"product_id": "x"}, "product_id"),
    ("CreateBatch", {"product_id": UUID}, "quantity"),
    ("CreateBatch", {"product_id": UUID, "quantity": -1}, "quantity"),
    ("CreateBatch", {"product_id": UUID, "quantity": 1_000_001}, "quantity"),
    ("CreateBatch", {"product_id": UUID, "quantity": 2**31 - 1}, "quantity"),
    ("CreateBatch", {"product_id": UUID, "quantity": 1, "lot": "x" * 65}, "lot"),
    ("CreateBatch", {"product_id": UUID, "quantity": 1, "lot": "\0"}, "lot"),
    ("CreateBatch", {"product_id": UUID, "quantity": 1, "manufactured_at": "2026-02-30"}, "manufactured_at"),
    ("CreateBatch", {"product_id": UUID, "quantity": 1, "expires_at": "tomorrow"}, "expires_at"),
    (
        "CreateBatch",
        {"product_id": UUID, "quantity": 1, "manufactured_at": "2026-02-02", "expires_at": "2026-02-01"},
        "expires_at",
    ),
    ("GetBatch", {"batch_id": ""}, "batch_id"),
    ("ListBatches", {"product_id": "x"}, "product_id"),
    ("ListBatches", {"state": 99}, "state"),
    ("WatchBatch", {"batch_id": "x"}, "batch_id"),
    ("RetryBatch", {"batch_id": "x"}, "batch_id"),
    ("CancelBatch", {"batch_id": "x"}, "batch_id"),
    ("ListUnits", {"batch_id": "x"}, "batch_id"),
    ("ExportUnits", {"batch_id": UUID, "first_index": -1}, "first_index"),
    ("RenderCode", {"batch_id": UUID, "index": -1}, "index"),
    ("RenderCode", {"batch_id": UUID, "format": "gif"}, "format"),
    ("GetVoidedUnitProof", {"batch_id": UUID, "index": -1}, "index"),
    ("GetVoidedUnitProof", {"batch_id": "x"}, "batch_id"),
    ("SetUnitState", {"unit_id": 0, "state": 1}, "unit_id"),
    ("SetUnitState", {"unit_id": -1, "state": 1}, "unit_id"),
    ("SetUnitState", {"unit_id": 1}, "state"),
    ("SetUnitState", {"unit_id": 1, "state": 9}, "state"),
    ("SetUnitState", {"unit_id": 1, "state": 1, "reason": 99}, "reason"),
    ("CreateApiKey", {"name": "a"}, "scopes"),
    ("CreateApiKey", {"scopes": ["products:read"]}, "name"),
    ("CreateApiKey", {"name": "\0", "scopes": ["products:read"]}, "name"),
    ("CreateApiKey", {"name": "a", "scopes": ["products:read", "products:read"]}, "scopes"),
    ("CreateApiKey", {"name": "a", "scopes": ["everything"]}, "scopes"),
    ("RotateApiKey", {"key_id": "short"}, "key_id"),
    ("RotateApiKey", {"key_id": "0" * 16, "overlap_seconds": -1}, "overlap_seconds"),
    ("RotateApiKey", {"key_id": "0" * 16, "overlap_seconds": 2_592_001}, "overlap_seconds"),
    ("RevokeApiKey", {"key_id": "0000000000000000\0"}, "key_id"),
    ("CreateWebhookEndpoint", {}, "url"),
    ("CreateWebhookEndpoint", {"url": "ftp://hook.example/"}, "url"),
    ("CreateWebhookEndpoint", {"url": "https://hook.example/" + "x" * 2000}, "url"),
    ("CreateWebhookEndpoint", {**HOOK, "events": ["batch.eaten"]}, "events"),
    ("CreateWebhookEndpoint", {**HOOK, "events": ["*"]}, "events"),
    ("CreateWebhookEndpoint", {**HOOK, "description": "\0"}, "description"),
    ("CreateWebhookEndpoint", {**HOOK, "description": "x" * 201}, "description"),
    ("GetWebhookEndpoint", {"endpoint_id": "x"}, "endpoint_id"),
    ("UpdateWebhookEndpoint", {"endpoint_id": UUID}, "endpoint"),
    (
        "UpdateWebhookEndpoint",
        {
            "endpoint_id": UUID,
            "endpoint": webhooks_pb2.WebhookEndpointChange(disabled=True),
            "update_mask": FieldMask(paths=["secret"]),
        },
        "update_mask",
    ),
    ("DeleteWebhookEndpoint", {}, "endpoint_id"),
    ("RotateWebhookSecret", {"endpoint_id": UUID, "overlap_seconds": 604_801}, "overlap_seconds"),
    ("RotateWebhookSecret", {"endpoint_id": UUID, "overlap_seconds": -1}, "overlap_seconds"),
    ("TestWebhookEndpoint", {"endpoint_id": "x"}, "endpoint_id"),
    ("ListWebhookDeliveries", {"endpoint_id": UUID, "state": 9}, "state"),
    ("GetWebhookDelivery", {"endpoint_id": UUID, "delivery_id": "x"}, "delivery_id"),
    ("RedeliverWebhooks", {"endpoint_id": UUID}, "which"),
    ("RedeliverWebhooks", {"endpoint_id": UUID, "delivery_id": "x"}, "delivery_id"),
    ("ListDeadLetters", {"kind": "\0"}, "kind"),
    ("GetDeadLetter", {"dead_letter_id": "x"}, "dead_letter_id"),
    ("ReplayDeadLetter", {"dead_letter_id": "x"}, "dead_letter_id"),
    ("ReplayDeadLetters", {}, "kind"),
    ("DiscardDeadLetter", {"dead_letter_id": UUID, "reason": "\0"}, "reason"),
    ("DiscardDeadLetter", {"dead_letter_id": UUID, "reason": "x" * 501}, "reason"),
]

UNKNOWN = [
    ("GetProduct", {"product_id": UUID}, "PRODUCT_NOT_FOUND"),
    ("CreateBatch", {"product_id": UUID, "quantity": 1}, "PRODUCT_NOT_FOUND"),
    ("GetBatch", {"batch_id": UUID}, "BATCH_NOT_FOUND"),
    ("ExportUnits", {"batch_id": UUID}, "BATCH_NOT_FOUND"),
    ("SetUnitState", {"unit_id": 1, "state": 1}, "UNIT_NOT_FOUND"),
    ("SetUnitState", {"unit_id": 2**63 - 1, "state": 1}, "UNIT_NOT_FOUND"),
    ("RevokeApiKey", {"key_id": "0" * 16}, "API_KEY_NOT_FOUND"),
    ("GetWebhookEndpoint", {"endpoint_id": UUID}, "WEBHOOK_NOT_FOUND"),
    ("DeleteWebhookEndpoint", {"endpoint_id": UUID}, "WEBHOOK_NOT_FOUND"),
    ("ListWebhookDeliveries", {"endpoint_id": UUID}, "WEBHOOK_NOT_FOUND"),
    ("GetWebhookDelivery", {"endpoint_id": UUID, "delivery_id": UUID}, "WEBHOOK_NOT_FOUND"),
    ("ReplayDeadLetter", {"dead_letter_id": UUID}, "DEAD_LETTER_NOT_FOUND"),
    ("DiscardDeadLetter", {"dead_letter_id": UUID}, "DEAD_LETTER_NOT_FOUND"),
]


async def call(client: Client, method: str, request: dict[str, Any]) -> Any:
    message = METHODS[method].request(**request)
    answer = getattr(client, method)([message] if METHODS[method].client_streaming else message)
    return await (whole(answer) if METHODS[method].server_streaming else answer)


async def test_bad_input_is_refused_with_the_field_that_is_wrong(factory: Client) -> None:
    for method, request, field in BAD:
        refused = await refusal(call(factory, method, request))
        assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT"), (method, request)
        assert field in refused.fields, (method, request)


async def test_ids_that_nothing_has_are_not_found(factory: Client) -> None:
    for method, request, reason in UNKNOWN:
        refused = await refusal(call(factory, method, request))
        assert (refused.code, refused.reason) == ("NOT_FOUND", reason), (method, request)


TOKENS = [
    "",
    "x",
    "vkt_",
    "vkt_0000000000000000_" + "A" * 43,
    "vkt_0000000000000000_" + "A" * 42,
    "vkt_0000000000000000",
    "VKT_0000000000000000_" + "A" * 43,
    "eyJhbGciOiJub25lIn0.e30.",
    "a.b.c",
    "x" * 4000,
]


async def test_a_key_may_also_come_as_x_api_key(factory_as: Callable[..., Client], acme: Partner) -> None:
    nobody = factory_as()
    await nobody.ListProducts(pb.ListProductsRequest(), metadata=(("x-api-key", acme.api_key),))
    refused = await refusal(nobody.ListProducts(pb.ListProductsRequest(), metadata=(("x-api-key", "vkt_x"),)))
    assert refused.code == "UNAUTHENTICATED"


@pytest.mark.parametrize("raw", [b"\xff\xff", b"\x0a\x02\xc3\x28", b"\x0a\xff\xff\xff\xff\x0f"])
async def test_bytes_that_are_no_message_are_bad_input(factory_server: str, acme: Partner, raw: bytes) -> None:
    async with grpc.aio.insecure_channel(factory_server) as channel:
        call = channel.unary_unary("/voketag.factory.v1.FactoryService/CreateProduct")
        refused = await refusal(call(raw, metadata=(("authorization", f"Bearer {acme.api_key}"),)))
    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT")


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if not method.rule.public])
async def test_no_method_answers_without_credentials_that_hold(
    factory_as: Callable[..., Client], acme: Partner, token_keys: TokenKeys, method: str
) -> None:
    tampered = acme.api_key[:-1] + ("A" if acme.api_key[-1] != "A" else "B")
    expired = token_keys.user(role=Role.ADMIN, tenant_id=acme.tenant_id, lifetime=timedelta(seconds=-60))
    for credential in [*TOKENS, tampered, acme.api_key[:-1], acme.api_key + "A", expired]:
        refused = await refusal(call(factory_as(credential), method, {}))
        assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED"), credential


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.rule.scope])
async def test_every_method_needs_its_scope(
    factory_as: Callable[..., Client], make_partner: Callable[..., Any], method: str
) -> None:
    needed = METHODS[method].rule.scope
    partner = await make_partner("Narrow", scopes=TENANT_SCOPES - {needed})
    refused = await refusal(call(factory_as(partner.api_key), method, {}))
    assert (refused.code, refused.reason, refused.metadata) == (
        "PERMISSION_DENIED",
        "PERMISSION_DENIED",
        {"scope": needed},
    )


@pytest.mark.parametrize(
    ("method", "allowed"), [(name, method.rule.services) for name, method in METHODS.items() if method.rule.services]
)
async def test_methods_of_services_are_for_those_services_alone(
    factory_as: Callable[..., Client], acme: Partner, token_keys: TokenKeys, method: str, allowed: frozenset[str]
) -> None:
    strangers = [name for name in ("scan", "anchor", "admin", "factory") if name not in allowed]
    credentials = [acme.api_key] + [token_keys.service(name, audience="factory") for name in strangers]
    for credential in credentials:
        assert (await refusal(call(factory_as(credential), method, {}))).code == "PERMISSION_DENIED"
    for name in allowed:
        invited = factory_as(token_keys.service(name, audience="factory"))
        assert (await refusal(call(invited, method, {}))).code == "INVALID_ARGUMENT"
        elsewhere = factory_as(token_keys.service(name, audience="anchor"))
        assert (await refusal(call(elsewhere, method, {}))).code == "UNAUTHENTICATED"


async def test_an_id_of_a_request_must_be_a_uuid_for_every_write(factory: Client) -> None:
    writes = [name for name, method in METHODS.items() if "request_id" in method.request.DESCRIPTOR.fields_by_name]
    assert len(writes) == 25
    for method in writes:
        refused = await refusal(call(factory, method, {"request_id": f"{uuid4()}\0"}))
        assert (refused.code, "request_id" in refused.fields) == ("INVALID_ARGUMENT", True), method
