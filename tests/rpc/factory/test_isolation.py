"""Another tenant's credentials see nothing: every method that takes an id, with an id that exists."""

from collections.abc import Callable
from typing import Any

import pytest
from google.api import httpbody_pb2
from google.protobuf import empty_pb2

from services.common.caller import CallerKind, Role
from services.common.rpc.methods import methods_of
from tests.rpc.calls import Client, refusal, whole
from tests.rpc.conftest import Partner, TokenKeys
from tests.rpc.factory.conftest import Bury, IssueBatch
from voketag.factory.v1 import factory_pb2 as pb
from voketag.factory.v1 import webhooks_pb2

FIRST_UNIT_ID = 1099511627776
SERVICE = pb.DESCRIPTOR.services_by_name["FactoryService"]
METHODS = {method.name.rpartition("/")[2]: method for method in methods_of(SERVICE)}
IDS = ("product_id", "batch_id", "unit_id", "key_id", "delivery_id", "endpoint_id", "dead_letter_id")
REASONS = {
    "product_id": "PRODUCT_NOT_FOUND",
    "batch_id": "BATCH_NOT_FOUND",
    "unit_id": "UNIT_NOT_FOUND",
    "key_id": "API_KEY_NOT_FOUND",
    "endpoint_id": "WEBHOOK_NOT_FOUND",
    "delivery_id": "WEBHOOK_NOT_FOUND",
    "dead_letter_id": "DEAD_LETTER_NOT_FOUND",
}
# What a request needs beside the id to be well formed.
MORE: dict[str, dict[str, Any]] = {
    "UpdateProduct": {"product": pb.ProductChange(name="stolen")},
    "CreateBatch": {"quantity": 1},
    "ImportUnitsCsv": {"file": httpbody_pb2.HttpBody(content_type="text/csv", data=b"serial\nA-1\n")},
    "SetUnitState": {"state": pb.UNIT_STATE_BLOCKED},
    "UpdateWebhookEndpoint": {"endpoint": webhooks_pb2.WebhookEndpointChange(description="stolen")},
}


def id_of(method: str) -> str | None:
    fields = METHODS[method].request.DESCRIPTOR.fields_by_name
    return next((name for name in IDS if name in fields), None)


def for_tenants(method: str) -> bool:
    return CallerKind.SERVICE not in METHODS[method].rule.callers


# Their ids are filters, and Scan answers; tests/rpc/factory_scans holds tenants apart there.
OF_SCAN = {"ListScans", "ExportScans", "GetAnalytics"}
PARTS_OF_ONE_THING = ["ListUnits", "ListWebhookDeliveries"]
ABOUT_ONE_THING = [
    name
    for name in METHODS
    if for_tenants(name) and id_of(name) and not name.startswith("List") and name not in OF_SCAN
] + PARTS_OF_ONE_THING
# Settings are about the caller's own tenant by their nature; test_settings.py holds them apart.
OF_THE_CALLER = {"GetSettings", "UpdateSettings", "ListSettingsVersions"}
# Their ids are in a part of the request, or are not made by the fixture; test_imports.py and test_unit_states.py hold
# them apart.
ELSEWHERE = {"ImportUnits", "GetImportReport", "SetUnitStates", "SetUnitStatesCsv", "GetUnitStateJob"}
LISTINGS = [
    name
    for name in METHODS
    if name.startswith("List") and name not in OF_THE_CALLER | OF_SCAN | set(PARTS_OF_ONE_THING)
]


def request_about(method: str, ids: dict[str, Any]) -> Any:
    """A request that is well formed and about the thing of that id."""
    kind = METHODS[method].request
    named = {id_of(method)} | ({"endpoint_id"} & set(kind.DESCRIPTOR.fields_by_name))
    return kind(**{str(each): ids[str(each)] for each in named}, **MORE.get(method, {}))


def test_no_method_is_left_out() -> None:
    """A method that is neither about one thing nor a listing makes something new out of nothing but its caller."""
    services = {name for name in METHODS if not for_tenants(name)}
    assert set(METHODS) - services - set(ABOUT_ONE_THING) - set(LISTINGS) - OF_THE_CALLER - OF_SCAN - ELSEWHERE == {
        "CreateProduct",
        "CreateApiKey",
        "CreateWebhookEndpoint",
        "GetStatementKeys",
        "ReplayDeadLetters",
    }


@pytest.fixture
async def ids(factory: Client, product: pb.Product, issue_batch: IssueBatch, bury: Bury) -> dict[str, Any]:
    endpoint = webhooks_pb2.CreateWebhookEndpointRequest(url="http://127.0.0.1:9/hook")
    endpoint_id = (await factory.CreateWebhookEndpoint(endpoint)).endpoint.endpoint_id
    test = webhooks_pb2.TestWebhookEndpointRequest(endpoint_id=endpoint_id)
    delivery_id = (await factory.TestWebhookEndpoint(test)).delivery_id
    key = await factory.CreateApiKey(pb.CreateApiKeyRequest(name="line 3", scopes=["products:read"]))
    return {
        "product_id": product.product_id,
        "batch_id": await issue_batch(2),
        "unit_id": FIRST_UNIT_ID,
        "key_id": key.api_key.key_id,
        "endpoint_id": endpoint_id,
        "delivery_id": delivery_id,
        "dead_letter_id": await bury(delivery_id, endpoint_id=endpoint_id),
    }


@pytest.fixture
def strangers(factory_as: Callable[..., Client], rival: Partner, token_keys: TokenKeys) -> list[Client]:
    """Factory, called with Rival's API key and as a person who may do everything at Rival's."""
    person = token_keys.user(role=Role.SUPER_ADMIN, tenant_id=rival.tenant_id)
    return [factory_as(rival.api_key), factory_as(person)]


@pytest.mark.parametrize("method", ABOUT_ONE_THING)
async def test_what_belongs_to_another_tenant_is_not_found(
    ids: dict[str, Any], strangers: list[Client], method: str
) -> None:
    named = id_of(method)
    assert named
    request = request_about(method, ids)
    for stranger in strangers:
        call = getattr(stranger, method)(request)
        refused = await refusal(whole(call) if METHODS[method].server_streaming else call)
        assert (refused.code, refused.reason) == ("NOT_FOUND", REASONS[named])


@pytest.mark.parametrize("method", ABOUT_ONE_THING)
async def test_the_same_request_reaches_its_owner(ids: dict[str, Any], factory: Client, method: str) -> None:
    """So that the refusals above are about the tenant and nothing else."""
    request = request_about(method, ids)
    call = getattr(factory, method)(request)
    if method in {"RetryBatch", "CancelBatch", "PauseBatch", "GetVoidedUnitProof"}:  # not of a completed batch
        assert (await refusal(call)).reason == "BATCH_STATE"
    else:
        answer = await (whole(call) if METHODS[method].server_streaming else call)
        assert answer or METHODS[method].response is empty_pb2.Empty


@pytest.mark.parametrize("method", LISTINGS)
async def test_a_listing_shows_nothing_of_another_tenant(
    ids: dict[str, Any], factory_of_rival: Client, rival: Partner, method: str
) -> None:
    page = await getattr(factory_of_rival, method)(METHODS[method].request())
    shown = [item for _, items in page.ListFields() if not isinstance(items, str) for item in items]
    own_key = rival.api_key.split("_")[1]
    assert [item for item in shown if getattr(item, "key_id", "") != own_key] == []
