"""Proof of how many: statements about batches, and their keys."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import asyncpg

from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client, refusal
from tests.rpc.factory.conftest import IssueBatch
from voketag.factory.v1 import factory_pb2 as pb
from voketag.factory.v1 import statements_pb2
from voketag_sdk.statements import VerifiedStatement, verify_statement

FIRST_UNIT_ID = 1099511627776
NO_SUCH_ID = "0197a1b2-0000-7000-8000-000000000000"


async def stated(factory: Client, strangers: Client, batch_id: str) -> VerifiedStatement:
    """Ask for a statement, and check it with the keys that anybody can have."""
    statement = await factory.GetBatchStatement(statements_pb2.GetBatchStatementRequest(batch_id=batch_id))
    keys = await strangers.GetStatementKeys(statements_pb2.GetStatementKeysRequest())
    assert keys.content_type == "application/jwk-set+json"
    said = verify_statement(statement.jws, keys.data, batch_id=batch_id)
    assert (statement.ordered, statement.issued, statement.voided) == (said.ordered, said.issued, said.voided)
    assert (statement.merkle_root, statement.tree_size) == (said.merkle_root, said.tree_size)
    return said


async def test_a_statement_counts_what_was_ordered_issued_and_blocked(
    factory: Client, factory_as: Callable[..., Client], issue_batch: IssueBatch, database_url: DatabaseUrl
) -> None:
    batch_id = await issue_batch(5)
    await issue_batch(4)
    connection = await asyncpg.connect(database_url())
    await connection.execute("UPDATE factory.batches SET merkle_root = $2 WHERE batch_id = $1", batch_id, b"\x07" * 32)
    await connection.close()
    for index, state in ((0, pb.UNIT_STATE_BLOCKED), (1, pb.UNIT_STATE_BLOCKED), (2, pb.UNIT_STATE_RECALLED)):
        await factory.SetUnitState(pb.SetUnitStateRequest(unit_id=FIRST_UNIT_ID + index, state=state))
    before = datetime.now(UTC).replace(microsecond=0)
    said = await stated(factory, factory_as(""), batch_id)
    assert (said.ordered, said.issued, said.voided, said.state) == (5, 5, 2, "COMPLETED")
    assert (said.merkle_root, said.tree_size) == ("07" * 32, 5)
    assert said.stated_at >= before


async def test_all_that_was_issued_of_a_cancelled_batch_is_void(
    factory: Client, factory_as: Callable[..., Client], issue_batch: IssueBatch, database_url: DatabaseUrl
) -> None:
    batch_id = await issue_batch(5, state="CANCELLED")
    connection = await asyncpg.connect(database_url())
    await connection.execute("UPDATE factory.batches SET issued_count = 3 WHERE batch_id = $1", batch_id)
    await connection.close()
    said = await stated(factory, factory_as(""), batch_id)
    assert (said.ordered, said.issued, said.voided, said.state) == (5, 3, 3, "CANCELLED")
    assert (said.merkle_root, said.tree_size) == ("", 0)


async def test_a_batch_that_was_only_ordered_has_none_issued(
    factory: Client, factory_as: Callable[..., Client], product: pb.Product
) -> None:
    batch = await factory.CreateBatch(pb.CreateBatchRequest(product_id=product.product_id, quantity=9, lot="L-1"))
    said = await stated(factory, factory_as(""), batch.batch_id)
    assert (said.ordered, said.issued, said.voided, said.state, said.lot) == (9, 0, 0, "PENDING", "L-1")
    assert said.product_id == product.product_id


async def test_another_tenant_gets_no_statement(factory_of_rival: Client, issue_batch: IssueBatch) -> None:
    for batch_id in (await issue_batch(1), NO_SUCH_ID):
        asked = statements_pb2.GetBatchStatementRequest(batch_id=batch_id)
        assert (await refusal(factory_of_rival.GetBatchStatement(asked))).reason == "BATCH_NOT_FOUND"


async def test_no_private_key_is_published(factory_as: Callable[..., Client]) -> None:
    keys = await factory_as("").GetStatementKeys(statements_pb2.GetStatementKeysRequest())
    assert [set(key) for key in json.loads(keys.data)["keys"]] == [{"kty", "crv", "alg", "use", "kid", "x"}]
