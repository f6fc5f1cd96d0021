"""The database and the queue gone: an honest answer, and work again as soon as they are back."""

import asyncio
import os
import signal
from collections.abc import Iterator
from uuid import uuid4

import grpc
import pytest

from deploy.local.postgres import Postgres
from deploy.local.valkey import Valkey
from tests.rpc.calls import Client, refusal
from tests.rpc.factory.conftest import IssueBatch
from voketag.factory.v1 import factory_pb2 as pb

FIRST_UNIT_ID = 1099511627776


@pytest.fixture
def mortal_postgres(postgres: Postgres) -> Iterator[Postgres]:
    """PostgreSQL that a test may kill; it runs again afterwards."""
    yield postgres
    postgres.start()


@pytest.fixture
def mortal_valkey(valkey: Valkey) -> Iterator[Valkey]:
    """Valkey that a test may kill or pause; it runs again afterwards."""
    yield valkey
    if valkey.pid:
        os.kill(valkey.pid, signal.SIGCONT)
    valkey.start()


async def test_while_the_database_is_down_calls_are_unavailable_and_then_they_work_again(
    factory: Client, mortal_postgres: Postgres
) -> None:
    kept = await factory.CreateProduct(pb.CreateProductRequest(sku="A", name="A"))
    order = pb.CreateProductRequest(sku="B", name="B", request_id=str(uuid4()))
    mortal_postgres.kill()
    for call in (
        lambda: factory.GetProduct(pb.GetProductRequest(product_id=kept.product_id)),
        lambda: factory.CreateProduct(order),
    ):
        for _ in range(3):
            refused = await refusal(call())
            assert (refused.code, refused.reason) == ("UNAVAILABLE", "UNAVAILABLE")
            assert refused.retry_after_seconds == 1.0
    mortal_postgres.start()
    assert await factory.GetProduct(pb.GetProductRequest(product_id=kept.product_id)) == kept
    assert (await factory.CreateProduct(order)).sku == "B"


async def test_calls_in_flight_when_the_database_dies_are_unavailable_and_leave_nothing_half_done(
    factory: Client, mortal_postgres: Postgres
) -> None:
    orders = [pb.CreateProductRequest(sku=f"P-{number}", name="P", request_id=str(uuid4())) for number in range(40)]
    flying = [asyncio.ensure_future(factory.CreateProduct(order)) for order in orders]
    await asyncio.wait(flying, return_when=asyncio.FIRST_COMPLETED)
    mortal_postgres.kill()
    outcomes = await asyncio.gather(*flying, return_exceptions=True)
    mortal_postgres.start()
    answered = {o.sku: o for o in outcomes if isinstance(o, pb.Product)}
    failures = [o for o in outcomes if isinstance(o, grpc.aio.AioRpcError)]
    assert len(answered) + len(failures) == len(orders)
    assert {failure.code() for failure in failures} <= {grpc.StatusCode.UNAVAILABLE}
    retried = {product.sku: product for product in [await factory.CreateProduct(order) for order in orders]}
    assert {sku: retried[sku] for sku in answered} == answered, "what was answered is what is stored"
    listed = await factory.ListProducts(pb.ListProductsRequest(page_size=1000))
    assert sorted(product.sku for product in listed.products) == sorted(order.sku for order in orders)


@pytest.mark.parametrize("trouble", ["dead", "hanging"])
async def test_without_valkey_batches_are_ordered_and_units_suspended(
    factory: Client, product: pb.Product, issue_batch: IssueBatch, mortal_valkey: Valkey, trouble: str
) -> None:
    await issue_batch(1)
    order = pb.CreateBatchRequest(product_id=product.product_id, quantity=1)
    change = pb.SetUnitStateRequest(unit_id=FIRST_UNIT_ID, state=pb.UNIT_STATE_SUSPENDED)
    await factory.CreateBatch(order)  # so that there are connections to lose
    await factory.SetUnitState(change)
    if trouble == "dead":
        mortal_valkey.kill()
    else:
        assert mortal_valkey.pid
        os.kill(mortal_valkey.pid, signal.SIGSTOP)
    assert (await factory.CreateBatch(order, timeout=5)).state == pb.BATCH_STATE_PENDING
    assert (await factory.SetUnitState(change, timeout=5)).state == pb.UNIT_STATE_SUSPENDED
