"""Priorities, pausing, resuming and finding batches over RPC, without a worker."""

from uuid import uuid4

import pytest

from tests.rpc.calls import Client, refusal
from tests.rpc.factory_batches.conftest import order
from voketag.factory.v1 import batch_control_pb2 as control
from voketag.factory.v1 import factory_pb2 as pb

NOBODYS = "0190a7c0-0000-7000-8000-000000000000"


async def test_a_priority_comes_back_and_is_normal_by_default(factory: Client, product: pb.Product) -> None:
    assert (await order(factory, product, 1)).priority == control.BATCH_PRIORITY_NORMAL
    urgent = await order(factory, product, 1, priority=control.BATCH_PRIORITY_HIGH)
    assert urgent.priority == control.BATCH_PRIORITY_HIGH
    assert await factory.GetBatch(pb.GetBatchRequest(batch_id=urgent.batch_id)) == urgent
    refused = await refusal(order(factory, product, 1, priority=9))
    assert refused.fields == ["priority"]


async def test_a_batch_is_paused_and_resumed(factory: Client, product: pb.Product) -> None:
    batch = await order(factory, product, 1)
    paused = await factory.PauseBatch(control.PauseBatchRequest(batch_id=batch.batch_id))
    assert (paused.paused, paused.state) == (True, pb.BATCH_STATE_PENDING)
    assert await factory.PauseBatch(control.PauseBatchRequest(batch_id=batch.batch_id)) == paused
    resumed = await factory.ResumeBatch(control.ResumeBatchRequest(batch_id=batch.batch_id))
    assert not resumed.paused
    assert await factory.ResumeBatch(control.ResumeBatchRequest(batch_id=batch.batch_id)) == resumed


async def test_a_repeated_request_to_pause_does_not_pause_again(factory: Client, product: pb.Product) -> None:
    batch = await order(factory, product, 1)
    ask = control.PauseBatchRequest(batch_id=batch.batch_id, request_id=str(uuid4()))
    paused = await factory.PauseBatch(ask)
    await factory.ResumeBatch(control.ResumeBatchRequest(batch_id=batch.batch_id))
    assert await factory.PauseBatch(ask) == paused
    assert not (await factory.GetBatch(pb.GetBatchRequest(batch_id=batch.batch_id))).paused


async def test_what_is_not_being_issued_is_not_paused(factory: Client, product: pb.Product) -> None:
    batch = await order(factory, product, 1)
    await factory.CancelBatch(pb.CancelBatchRequest(batch_id=batch.batch_id))
    refused = await refusal(factory.PauseBatch(control.PauseBatchRequest(batch_id=batch.batch_id)))
    assert (refused.code, refused.reason, refused.metadata) == (
        "FAILED_PRECONDITION",
        "BATCH_STATE",
        {"state": "CANCELLED"},
    )


async def test_nobodys_batch_is_not_found(factory: Client, factory_of_rival: Client, product: pb.Product) -> None:
    batch = await order(factory, product, 1)
    for client, batch_id in ((factory, NOBODYS), (factory_of_rival, batch.batch_id)):
        for call in (
            client.PauseBatch(control.PauseBatchRequest(batch_id=batch_id)),
            client.ResumeBatch(control.ResumeBatchRequest(batch_id=batch_id)),
        ):
            assert (await refusal(call)).reason == "BATCH_NOT_FOUND"


async def test_a_listing_is_filtered_by_lot_and_time_and_goes_both_ways(factory: Client, product: pb.Product) -> None:
    batches = [await order(factory, product, 1, lot=lot) for lot in ("L-1", "L-2", "L-1")]

    async def listed(**asked: object) -> list[pb.Batch]:
        return list((await factory.ListBatches(pb.ListBatchesRequest(**asked))).batches)

    assert await listed(lot="L-1") == [batches[2], batches[0]]
    assert await listed(created_from=batches[1].created_at) == [batches[2], batches[1]]
    assert await listed(created_to=batches[1].created_at) == [batches[0]]
    assert await listed(created_from=batches[1].created_at, created_to=batches[2].created_at) == [batches[1]]
    assert await listed(order_by="created_at") == batches
    first = await factory.ListBatches(pb.ListBatchesRequest(order_by="created_at", page_size=2))
    assert await listed(order_by="created_at", page_token=first.next_page_token) == [batches[2]]
    refused = await refusal(factory.ListBatches(pb.ListBatchesRequest(page_token=first.next_page_token)))
    assert refused.reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize("order_by", ["lot", "quantity desc"])
async def test_batches_have_no_other_order(factory: Client, order_by: str) -> None:
    refused = await refusal(factory.ListBatches(pb.ListBatchesRequest(order_by=order_by)))
    assert refused.fields == ["order_by"]
