"""Ordering, listing, watching and cancelling batches over RPC, without a worker."""

import asyncio
from collections.abc import Callable, Iterator
from uuid import uuid4

import grpc
import pytest

from deploy.local.postgres import Postgres
from tests.rpc.calls import Client, refusal, whole
from tests.rpc.factory_batches.conftest import order
from voketag.factory.v1 import factory_pb2 as pb


@pytest.fixture
def mortal_postgres(postgres: Postgres) -> Iterator[Postgres]:
    """PostgreSQL that a test may kill; it runs again afterwards."""
    yield postgres
    postgres.start()


async def test_an_order_comes_back_as_it_was_given(factory: Client, product: pb.Product) -> None:
    batch = await order(
        factory,
        product,
        7,
        lot="L-1",
        manufactured_at="2026-02-28",
        expires_at="2026-02-28",
        metadata={"linha": "três"},
    )
    assert (batch.product_id, batch.quantity, batch.state) == (product.product_id, 7, pb.BATCH_STATE_PENDING)
    assert (batch.lot, batch.manufactured_at, batch.expires_at) == ("L-1", "2026-02-28", "2026-02-28")
    assert dict(batch.metadata) == {"linha": "três"}
    assert (batch.issued_count, batch.merkle_root, batch.error) == (0, "", "")
    assert await factory.GetBatch(pb.GetBatchRequest(batch_id=batch.batch_id)) == batch


async def test_the_same_request_id_orders_once(factory: Client, product: pb.Product) -> None:
    request_id = str(uuid4())
    first, second = await asyncio.gather(*(order(factory, product, 7, request_id=request_id) for _ in range(2)))
    assert first == second
    listed = await factory.ListBatches(pb.ListBatchesRequest())
    assert [batch.batch_id for batch in listed.batches] == [first.batch_id]
    refused = await refusal(order(factory, product, 8, request_id=request_id))
    assert refused.reason == "IDEMPOTENCY_CONFLICT"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"manufactured_at": "2026-02-29"}, "manufactured_at"),
        ({"expires_at": "2026-13-01"}, "expires_at"),
        ({"expires_at": "0000-01-01"}, "expires_at"),
        ({"manufactured_at": "2026-05-02", "expires_at": "2026-05-01"}, "expires_at"),
        ({"manufactured_at": "20260501"}, "manufactured_at"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 1_000_001}, "quantity"),
        ({"lot": "a\0b"}, "lot"),
        ({"chains": ["nowhere"]}, "chains[0]"),
        ({"chains": ["main", "dry"]}, "chains[1]"),
        ({"chains": ["main", "main"]}, "chains"),
    ],
)
async def test_an_order_that_makes_no_sense_names_its_field(
    factory: Client, product: pb.Product, given: dict[str, object], field: str
) -> None:
    refused = await refusal(order(factory, product, **({"quantity": 1} | given)))
    assert (refused.code, refused.reason, refused.fields) == ("INVALID_ARGUMENT", "INVALID_ARGUMENT", [field])


async def test_an_order_for_an_unknown_chain_hears_the_names_and_leaves_nothing(
    factory: Client, product: pb.Product
) -> None:
    refused = await refusal(order(factory, product, 1, chains=["nowhere"]))
    assert refused.message == "chains[0]: no chain of this name; known are main"
    assert (await factory.ListBatches(pb.ListBatchesRequest())).batches == []


async def test_an_archived_product_takes_no_orders(factory: Client, product: pb.Product) -> None:
    await factory.ArchiveProduct(pb.ArchiveProductRequest(product_id=product.product_id))
    assert (await refusal(order(factory, product, 1))).reason == "PRODUCT_ARCHIVED"


async def test_a_listing_goes_on_where_its_page_ended(factory: Client, product: pb.Product) -> None:
    batches = [await order(factory, product, 1) for _ in range(3)]
    first = await factory.ListBatches(pb.ListBatchesRequest(page_size=2))
    assert list(first.batches) == [batches[2], batches[1]]
    rest = await factory.ListBatches(pb.ListBatchesRequest(page_size=2, page_token=first.next_page_token))
    assert (list(rest.batches), rest.next_page_token) == ([batches[0]], "")
    cancelled = await factory.CancelBatch(pb.CancelBatchRequest(batch_id=batches[1].batch_id))
    only = await factory.ListBatches(pb.ListBatchesRequest(state=pb.BATCH_STATE_CANCELLED))
    assert list(only.batches) == [cancelled]
    refused = await refusal(factory.ListBatches(pb.ListBatchesRequest(page_token="x")))
    assert refused.reason == "INVALID_PAGE_TOKEN"


async def test_retrying_what_did_not_stop_is_refused_with_its_state(factory: Client, product: pb.Product) -> None:
    batch = await order(factory, product, 1)
    refused = await refusal(factory.RetryBatch(pb.RetryBatchRequest(batch_id=batch.batch_id)))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "BATCH_STATE")
    assert refused.metadata == {"state": "PENDING"}


async def test_watching_ends_with_the_cancellation(factory: Client, product: pb.Product) -> None:
    batch = await order(factory, product, 1)
    watching = asyncio.ensure_future(whole(factory.WatchBatch(pb.WatchBatchRequest(batch_id=batch.batch_id))))
    await asyncio.sleep(0.5)
    cancelled = await factory.CancelBatch(pb.CancelBatchRequest(batch_id=batch.batch_id))
    assert await watching == [batch, cancelled]
    again = await factory.CancelBatch(pb.CancelBatchRequest(batch_id=batch.batch_id))
    assert again == cancelled
    assert await whole(factory.WatchBatch(pb.WatchBatchRequest(batch_id=batch.batch_id))) == [cancelled]


async def test_watching_outlives_a_crash_of_the_database(
    factory: Client, product: pb.Product, mortal_postgres: Postgres
) -> None:
    batch = await order(factory, product, 1)
    watching = asyncio.ensure_future(whole(factory.WatchBatch(pb.WatchBatchRequest(batch_id=batch.batch_id))))
    await asyncio.sleep(0.5)
    mortal_postgres.kill()
    await asyncio.sleep(1)
    mortal_postgres.start()
    cancelled = await factory.CancelBatch(pb.CancelBatchRequest(batch_id=batch.batch_id))
    assert await watching == [batch, cancelled]


async def test_another_tenant_watches_nothing(factory: Client, factory_of_rival: Client, product: pb.Product) -> None:
    batch = await order(factory, product, 1)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await whole(factory_of_rival.WatchBatch(pb.WatchBatchRequest(batch_id=batch.batch_id)))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_many_watchers_of_one_batch_each_see_its_end(
    factory: Client, product: pb.Product, factory_as: Callable[..., Client]
) -> None:
    batch = await order(factory, product, 1)
    ask = pb.WatchBatchRequest(batch_id=batch.batch_id)
    watching = [asyncio.ensure_future(whole(factory.WatchBatch(ask))) for _ in range(50)]
    await asyncio.sleep(0.5)
    cancelled = await factory.CancelBatch(pb.CancelBatchRequest(batch_id=batch.batch_id))
    assert {seen[-1].state for seen in await asyncio.gather(*watching)} == {cancelled.state}
