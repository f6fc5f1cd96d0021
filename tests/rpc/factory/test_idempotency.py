"""Writes that happen once."""

import asyncio
from uuid import uuid4

import asyncpg
import grpc
import pytest

from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client, refusal
from voketag.factory.v1 import factory_pb2 as pb


def an_order(request_id: str, **more: object) -> pb.CreateProductRequest:
    return pb.CreateProductRequest(**{"sku": "A", "name": "A", "request_id": request_id, **more})


async def skus(client: Client) -> list[str]:
    listed = await client.ListProducts(pb.ListProductsRequest(include_archived=True))
    return [product.sku for product in listed.products]


async def test_a_repeated_request_gets_the_first_answer(factory: Client) -> None:
    request = an_order(str(uuid4()), metadata={"b": "2", "a": "1"})
    first = await factory.CreateProduct(request)
    await factory.UpdateProduct(
        pb.UpdateProductRequest(product_id=first.product_id, product=pb.ProductChange(name="changed since"))
    )
    again = an_order(request.request_id, metadata={"a": "1", "b": "2"})
    assert await factory.CreateProduct(again) == first
    assert await skus(factory) == ["A"]


async def test_the_same_id_with_another_request_is_a_conflict(factory: Client) -> None:
    request_id = str(uuid4())
    await factory.CreateProduct(an_order(request_id))
    refused = await refusal(factory.CreateProduct(an_order(request_id, sku="B")))
    assert (refused.code, refused.reason) == ("ALREADY_EXISTS", "IDEMPOTENCY_CONFLICT")
    assert await skus(factory) == ["A"]


async def test_the_spelling_of_an_id_makes_no_difference(factory: Client) -> None:
    request_id = str(uuid4())
    first = await factory.CreateProduct(an_order(request_id))
    assert await factory.CreateProduct(an_order(request_id.upper())) == first


async def test_tenants_and_methods_do_not_meet(factory: Client, factory_of_rival: Client) -> None:
    request_id = str(uuid4())
    ours = await factory.CreateProduct(an_order(request_id))
    theirs = await factory_of_rival.CreateProduct(an_order(request_id, name="Theirs"))
    assert theirs.product_id != ours.product_id
    archived = await factory.ArchiveProduct(pb.ArchiveProductRequest(product_id=ours.product_id, request_id=request_id))
    assert archived.archived


async def test_equal_requests_at_once_make_one_product_and_one_answer(factory: Client) -> None:
    request = an_order(str(uuid4()))
    answers = await asyncio.gather(*(factory.CreateProduct(request) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert await skus(factory) == ["A"]


async def test_different_requests_of_one_id_at_once_leave_one_winner(factory: Client) -> None:
    request_id = str(uuid4())
    outcomes = await asyncio.gather(
        *(factory.CreateProduct(an_order(request_id, sku=sku)) for sku in "ABCD"), return_exceptions=True
    )
    made = [outcome for outcome in outcomes if isinstance(outcome, pb.Product)]
    assert len(made) == 1
    assert all(o.code() is grpc.StatusCode.ALREADY_EXISTS for o in outcomes if isinstance(o, grpc.aio.AioRpcError))
    assert await skus(factory) == [made[0].sku]


async def test_a_failed_write_is_not_remembered(factory: Client) -> None:
    request_id = str(uuid4())
    taken = await factory.CreateProduct(an_order(""))
    assert (await refusal(factory.CreateProduct(an_order(request_id)))).reason == "DUPLICATE_SKU"
    renamed = an_order(request_id, sku="B")
    assert (await factory.CreateProduct(renamed)).product_id != taken.product_id


async def test_without_an_id_every_request_counts(factory: Client) -> None:
    await factory.CreateProduct(an_order(""))
    assert (await refusal(factory.CreateProduct(an_order("")))).reason == "DUPLICATE_SKU"


async def test_a_request_that_waits_becomes_the_first_when_the_one_before_it_fails(
    factory: Client, database_url: DatabaseUrl
) -> None:
    """The holder's transaction is held open by hand, then rolled back, as a killed server's would be."""
    request = an_order(str(uuid4()))
    connection = await asyncpg.connect(database_url())
    try:
        tenant_id = await connection.fetchval("SELECT tenant_id FROM factory.tenants")
        holder = connection.transaction()
        await holder.start()
        await connection.execute(
            "INSERT INTO factory.idempotency (tenant_id, method, request_id, request_hash, created_at) "
            "VALUES ($1, 'voketag.factory.v1.FactoryService/CreateProduct', $2, '', now())",
            tenant_id,
            request.request_id,
        )
        waiting = asyncio.ensure_future(factory.CreateProduct(request))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.5)
        await holder.rollback()
        assert (await waiting).sku == "A"
    finally:
        await connection.close()
