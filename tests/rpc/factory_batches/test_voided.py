"""Units of a batch that was cancelled while it was issued: no code works, and each can be shown to be void."""

from collections.abc import Callable

import pytest

from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import Partner
from tests.rpc.factory.test_statements import stated
from tests.rpc.factory_batches.conftest import Worker, order
from tests.rpc.factory_batches.test_worker import written
from voketag.factory.v1 import factory_pb2 as pb
from voketag.factory.v1 import statements_pb2
from voketag_kernel.codes import UnitCodeKey
from voketag_sdk import AsyncClient
from voketag_sdk.statements import verify_unit_proof


@pytest.fixture
async def cancelled(factory: Client, product: pb.Product, worker: Worker) -> pb.Batch:
    """A batch that was cancelled with some of its 400,000 units."""
    batch = await order(factory, product, 400_000)
    worker.start()
    await written(factory, batch.batch_id, 1)
    cancelled = await factory.CancelBatch(pb.CancelBatchRequest(batch_id=batch.batch_id))
    assert 0 < cancelled.tree_size < 400_000
    return cancelled


async def test_a_void_unit_is_proved_under_the_root_that_the_statement_names(
    factory: Client, factory_as: Callable[..., Client], factory_server: str, acme: Partner, cancelled: pb.Batch
) -> None:
    said = await stated(factory, factory_as(""), cancelled.batch_id)
    assert (said.state, said.voided, said.tree_size) == ("CANCELLED", cancelled.tree_size, cancelled.tree_size)
    key = UnitCodeKey(1, bytes(range(32)))
    async with AsyncClient(f"http://{factory_server}", api_key=acme.api_key) as voketag:
        for index in (0, 255, cancelled.tree_size - 1):
            proof = await voketag.batches.voided_proof(cancelled.batch_id, index)
            assert (proof.batch_id, proof.leaf_index, proof.code) == (
                cancelled.batch_id,
                index,
                key.mint(index).code,
            )
            verify_unit_proof(proof, said)


async def test_only_what_was_written_of_a_cancelled_batch_is_proved_void(factory: Client, cancelled: pb.Batch) -> None:
    request = statements_pb2.GetVoidedUnitProofRequest(batch_id=cancelled.batch_id, index=cancelled.tree_size)
    assert (await refusal(factory.GetVoidedUnitProof(request))).reason == "UNIT_NOT_FOUND"
    by_code = pb.GetUnitRequest(code=UnitCodeKey(1, bytes(range(32))).mint(0).code)
    assert (await refusal(factory.GetUnit(by_code))).metadata == {"state": "CANCELLED"}


async def test_a_batch_that_was_cancelled_before_its_first_unit_has_no_proofs(
    factory: Client, product: pb.Product
) -> None:
    batch = await order(factory, product, 3)
    request = statements_pb2.GetVoidedUnitProofRequest(batch_id=batch.batch_id)
    refused = await refusal(factory.GetVoidedUnitProof(request))
    assert (refused.reason, refused.metadata) == ("BATCH_STATE", {"state": "PENDING"})
    await factory.CancelBatch(pb.CancelBatchRequest(batch_id=batch.batch_id))
    assert (await refusal(factory.GetVoidedUnitProof(request))).reason == "UNIT_NOT_FOUND"
