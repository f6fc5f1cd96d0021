"""Another tenant's key sees nothing through the edge: every method that takes an id, with ids that exist."""

from collections.abc import Mapping
from typing import Any

import grpc
import pytest
from google.api import httpbody_pb2

from services.common.caller import CallerKind
from services.common.rpc.methods import Method, methods_of
from tests.e2e.conftest import Issued
from tests.e2e.edge import Rest, refusal_of
from voketag.factory.v1 import factory_pb2

REASONS = {
    "product_id": "PRODUCT_NOT_FOUND",
    "batch_id": "BATCH_NOT_FOUND",
    "unit_id": "UNIT_NOT_FOUND",
    "key_id": "API_KEY_NOT_FOUND",
}
# What a request needs beside the id to be well formed.
MORE: dict[str, dict[str, Any]] = {
    "UpdateProduct": {"product": factory_pb2.ProductChange(name="stolen")},
    "CreateBatch": {"quantity": 1},
    "ImportUnitsCsv": {"file": httpbody_pb2.HttpBody(content_type="text/csv", data=b"serial\nA-1\n")},
    "SetUnitState": {"state": factory_pb2.UNIT_STATE_BLOCKED},
}
# Ids here only narrow a listing of the caller's own things down.
LISTINGS = {"ListBatches", "ListScans", "ExportScans", "GetAnalytics"}


def name_of(method: Method) -> str:
    return method.name.rpartition("/")[2]


def id_of(method: Method) -> str | None:
    return next((name for name in REASONS if name in method.request.DESCRIPTOR.fields_by_name), None)


METHODS = [
    method
    for method in methods_of(factory_pb2.DESCRIPTOR.services_by_name["FactoryService"])
    if id_of(method) and CallerKind.SERVICE not in method.rule.callers and name_of(method) not in LISTINGS
]


@pytest.fixture(scope="module")
def ids(issued: Issued, partner: Rest) -> Mapping[str, Any]:
    key = partner("POST", "/v1/api-keys", {"name": "line 4", "scopes": ["products:read"]})
    return {
        "product_id": issued.product.product_id,
        "batch_id": issued.batch.batch_id,
        "unit_id": issued.units[4].unit_id,
        "key_id": key.body["api_key"]["key_id"],
    }


def test_the_walk_meets_the_methods_that_it_is_for() -> None:
    assert {name_of(method) for method in METHODS} >= {
        *("GetProduct", "UpdateProduct", "ArchiveProduct", "CreateBatch", "GetBatch", "WatchBatch", "RetryBatch"),
        *("CancelBatch", "ListUnits", "ExportUnits", "RenderCode", "SetUnitState", "RotateApiKey", "RevokeApiKey"),
    }


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_what_belongs_to_another_tenant_is_not_found(
    channel: grpc.Channel, ids: Mapping[str, Any], rival_key: str, method: Method
) -> None:
    named = id_of(method)
    assert named
    request = method.request(**{named: ids[named]}, **MORE.get(name_of(method), {}))
    make = channel.unary_stream if method.server_streaming else channel.unary_unary
    call = make(f"/{method.name}", request_serializer=type(request).SerializeToString)
    metadata = (("authorization", f"Bearer {rival_key}"),)
    with pytest.raises(grpc.RpcError) as refused:
        list(call(request, timeout=10, metadata=metadata))
    assert refusal_of(refused.value).reason == REASONS[named]


def test_listings_show_nothing_of_another_tenant(rest: Rest, ids: Mapping[str, Any], rival_key: str) -> None:
    rival = rest.with_key(rival_key)
    assert rival("GET", "/v1/products").body["products"] == []
    assert rival("GET", "/v1/batches").body["batches"] == []
    assert rival("GET", f"/v1/scans?batch_id={ids['batch_id']}").body["scans"] == []
    assert rival("GET", f"/v1/batches?product_id={ids['product_id']}").body["batches"] == []
    assert [key["name"] for key in rival("GET", "/v1/api-keys").body["api_keys"]] == ["rival"]


def test_the_owner_finds_everything_unchanged(partner: Rest, issued: Issued, ids: Mapping[str, Any]) -> None:
    product = partner("GET", f"/v1/products/{ids['product_id']}").as_message(factory_pb2.Product)
    assert product == issued.product
    batch = partner("GET", f"/v1/batches/{ids['batch_id']}").as_message(factory_pb2.Batch)
    assert batch == issued.batch
    units = partner("GET", f"/v1/batches/{ids['batch_id']}/units").body["units"]
    assert units[4]["state"] == "UNIT_STATE_ACTIVE"
    keys = {key["key_id"]: key for key in partner("GET", "/v1/api-keys").body["api_keys"]}
    assert "revoked_at" not in keys[ids["key_id"]]
