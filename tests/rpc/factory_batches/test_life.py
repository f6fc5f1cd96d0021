"""The life of a batch as its partner sees it, with the real worker and a real Anchor."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from uuid import uuid4

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from tests.rpc.calls import Client, refusal
from tests.rpc.factory_batches.conftest import Worker, order, reached
from voketag.anchor.v1 import anchor_pb2
from voketag.factory.v1 import factory_pb2 as pb
from voketag.factory.v1.settings_pb2 import TenantSettings, UpdateSettingsRequest
from voketag_kernel.codes import UnitCodeKey
from voketag_kernel.receipts import facts_hash, unit_leaf_data
from voketag_kernel.rfc6962 import leaf_hash, verify_inclusion

OpenAnchor = Callable[[], AbstractAsyncContextManager[Client]]
Sql = Callable[[str], str]
PLACE = pb.BatchAnchor(tx_hash="0x" + "ab" * 32, block_number=7, chain_id=31337)
ANOTHER_PLACE = pb.BatchAnchor(tx_hash="0x" + "cd" * 32, block_number=9, chain_id=31337)
FIRST_UNIT_ID = 1 << 40


def confirmed(batch: pb.Batch, place: pb.BatchAnchor = PLACE) -> pb.ReportAnchorOutcomeRequest:
    return pb.ReportAnchorOutcomeRequest(batch_id=batch.batch_id, merkle_root=batch.merkle_root, confirmed=place)


def failed(batch: pb.Batch) -> pb.ReportAnchorOutcomeRequest:
    return pb.ReportAnchorOutcomeRequest(batch_id=batch.batch_id, merkle_root=batch.merkle_root, failed="no gas")


async def submitted(anchor: Client, batch: pb.Batch) -> anchor_pb2.Anchor:
    """Wait until Anchor has a batch's root in line."""
    async with asyncio.timeout(30):
        while True:
            try:
                found = await anchor.GetAnchor(anchor_pb2.GetAnchorRequest(batch_id=batch.batch_id))
                if found.state == anchor_pb2.ANCHOR_STATE_PENDING:
                    return found
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
            await asyncio.sleep(0.05)


async def given_back(sql: Sql) -> None:
    """Wait until the worker has noted that the root is in line: what is due before that is set anew by this note."""
    async with asyncio.timeout(30):
        while True:
            if sql("SELECT 1 FROM factory.batches WHERE lease_token IS NULL AND due_at > now()"):
                return
            await asyncio.sleep(0.05)


async def test_a_watched_batch_goes_from_order_to_chain(
    factory: Client, as_anchor: Client, product: pb.Product, worker: Worker, open_anchor: OpenAnchor
) -> None:
    worker.start()
    batch = await order(factory, product, 70_000, lot="L-1", expires_at="2028-02-29")
    seen: list[pb.Batch] = []
    async with open_anchor() as anchor:
        async for change in factory.WatchBatch(pb.WatchBatchRequest(batch_id=batch.batch_id)):
            seen.append(change)
            if change.state == pb.BATCH_STATE_ANCHORING and not change.HasField("anchor"):
                taken = await submitted(anchor, change)
                assert (taken.merkle_root, taken.tree_size) == (change.merkle_root, 70_000)
                await as_anchor.ReportAnchorOutcome(confirmed(change))
    assert seen[0].state in {pb.BATCH_STATE_PENDING, pb.BATCH_STATE_ISSUING}
    assert [c.issued_count for c in seen] == sorted(c.issued_count for c in seen)
    assert (seen[-1].state, seen[-1].anchor) == (pb.BATCH_STATE_COMPLETED, PLACE)
    assert seen[-1].HasField("completed_at")


async def test_while_anchor_is_away_the_batch_waits_and_is_submitted_when_it_comes(
    factory: Client, product: pb.Product, worker: Worker, open_anchor: OpenAnchor
) -> None:
    worker.start()
    batch = await order(factory, product, 3)
    await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING)
    await asyncio.sleep(1.5)
    waiting = await factory.GetBatch(pb.GetBatchRequest(batch_id=batch.batch_id))
    assert (waiting.state, waiting.error) == (pb.BATCH_STATE_ANCHORING, "")
    async with open_anchor() as anchor:
        assert (await submitted(anchor, waiting)).merkle_root == waiting.merkle_root


async def test_a_batch_goes_to_the_chains_that_it_was_ordered_for(
    factory: Client, product: pb.Product, worker: Worker, open_anchor: OpenAnchor
) -> None:
    worker.start()
    async with open_anchor() as anchor:
        batch = await order(factory, product, 3, chains=["main"])
        assert list(batch.chains) == ["main"]
        taken = await submitted(anchor, await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING))
        assert [one.chain for one in taken.chains] == ["main"]


async def test_a_chain_that_anchor_does_not_know_after_all_stops_the_batch(
    factory: Client, product: pb.Product, worker: Worker, open_anchor: OpenAnchor, sql: Sql
) -> None:
    batch = await order(factory, product, 3)
    sql("UPDATE factory.batches SET chains = '{main,nowhere}'")  # as Factory's setting may have had it
    async with open_anchor():
        worker.start()
        stopped = await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHOR_FAILED)
        assert "chains[1]: no chain of this name; known are main" in stopped.error


async def test_a_batch_of_a_sandbox_completes_without_a_chain(
    factory: Client, product: pb.Product, worker: Worker, open_anchor: OpenAnchor
) -> None:
    await factory.UpdateSettings(UpdateSettingsRequest(settings=TenantSettings(sandbox=True)))
    worker.start()
    async with open_anchor() as anchor:
        trial = await order(factory, product, 5)
        await factory.UpdateSettings(
            UpdateSettingsRequest(settings=TenantSettings(sandbox=False), update_mask=FieldMask(paths=["sandbox"]))
        )
        done = await reached(factory, trial.batch_id, pb.BATCH_STATE_COMPLETED)
        assert (done.sandbox, done.issued_count, done.HasField("anchor")) == (True, 5, False)
        batch = await order(factory, product, 5)
        await submitted(anchor, batch)
        nothing = await refusal(anchor.GetAnchor(anchor_pb2.GetAnchorRequest(batch_id=trial.batch_id)))
        assert nothing.code == "NOT_FOUND"


async def test_retrying_a_failed_anchor_sets_it_going_again(
    factory: Client, as_anchor: Client, product: pb.Product, worker: Worker, open_anchor: OpenAnchor, *, sql: Sql
) -> None:
    worker.start()
    batch = await order(factory, product, 3)
    anchoring = await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING)
    async with open_anchor() as anchor:
        await submitted(anchor, anchoring)
        sql("UPDATE anchor.anchors SET state = 'FAILED', error = 'no gas'")
        await as_anchor.ReportAnchorOutcome(failed(anchoring))
        stopped = await factory.GetBatch(pb.GetBatchRequest(batch_id=batch.batch_id))
        assert (stopped.state, stopped.error) == (pb.BATCH_STATE_ANCHOR_FAILED, "no gas")
        retried = await factory.RetryBatch(pb.RetryBatchRequest(batch_id=batch.batch_id))
        assert (retried.state, retried.merkle_root) == (pb.BATCH_STATE_ANCHORING, anchoring.merkle_root)
        await submitted(anchor, anchoring)
    await as_anchor.ReportAnchorOutcome(confirmed(anchoring))
    assert (await reached(factory, batch.batch_id, pb.BATCH_STATE_COMPLETED)).error == ""


async def test_an_outcome_whose_report_was_lost_is_found(
    factory: Client, product: pb.Product, worker: Worker, open_anchor: OpenAnchor, sql: Sql
) -> None:
    worker.start()
    batch = await order(factory, product, 3)
    anchoring = await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING)
    async with open_anchor() as anchor:
        await submitted(anchor, anchoring)
        await given_back(sql)
        sql(
            """
            WITH tree AS (
                INSERT INTO anchor.anchor_trees (tree_id, root, size, state, chain_id, contract, tx_hash, created_at)
                VALUES (gen_random_uuid(), sha256('root'), 1, 'CONFIRMED', 31337, '0x', '0x' || repeat('ab', 32), now())
                RETURNING tree_id, tx_hash
            ), sent AS (
                INSERT INTO anchor.transactions (tx_hash, tree_id, state, block_number, signed_at)
                SELECT tx_hash, tree_id, 'CONFIRMED', 7, now() FROM tree
            )
            UPDATE anchor.anchors
            SET state = 'CONFIRMED', tree_id = tree.tree_id, leaf_index = 0, inclusion_path = '', confirmed_at = now()
            FROM tree
            """
        )
        sql("UPDATE factory.batches SET due_at = now()")
        completed = await reached(factory, batch.batch_id, pb.BATCH_STATE_COMPLETED)
    assert completed.anchor == PLACE


async def test_a_root_that_anchor_has_otherwise_stops_the_batch(
    factory: Client, product: pb.Product, worker: Worker, open_anchor: OpenAnchor
) -> None:
    async with open_anchor() as anchor:
        batch = await order(factory, product, 3)
        await anchor.SubmitAnchor(
            anchor_pb2.SubmitAnchorRequest(batch_id=batch.batch_id, merkle_root="11" * 32, tree_size=3)
        )
        worker.start()
        stopped = await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHOR_FAILED)
    assert "another root" in stopped.error


async def test_outcomes_may_come_twice_late_and_in_another_order(
    factory: Client, as_anchor: Client, product: pb.Product, worker: Worker, sql: Sql
) -> None:
    worker.start()
    batch = await order(factory, product, 3)
    anchoring = await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING)
    await as_anchor.ReportAnchorOutcome(failed(anchoring))
    for _ in range(2):
        await as_anchor.ReportAnchorOutcome(confirmed(anchoring))
    first = await factory.GetBatch(pb.GetBatchRequest(batch_id=batch.batch_id))
    assert (first.state, first.anchor, first.error) == (pb.BATCH_STATE_COMPLETED, PLACE, "")
    await as_anchor.ReportAnchorOutcome(failed(anchoring))
    assert await factory.GetBatch(pb.GetBatchRequest(batch_id=batch.batch_id)) == first
    await as_anchor.ReportAnchorOutcome(confirmed(anchoring, ANOTHER_PLACE))
    moved = await factory.GetBatch(pb.GetBatchRequest(batch_id=batch.batch_id))
    assert (moved.anchor, moved.completed_at) == (ANOTHER_PLACE, first.completed_at)
    assert sql("SELECT topic FROM factory.outbox ORDER BY created_at").split() == [
        "batch.created",
        "batch.issued",
        "batch.failed",
        "batch.completed",
    ]


async def test_an_outcome_for_another_root_or_batch_is_refused(
    factory: Client, as_anchor: Client, product: pb.Product
) -> None:
    batch = await order(factory, product, 3)
    outcome = pb.ReportAnchorOutcomeRequest(batch_id=batch.batch_id, merkle_root="11" * 32, confirmed=PLACE)
    assert (await refusal(as_anchor.ReportAnchorOutcome(outcome))).reason == "ROOT_CONFLICT"
    outcome.batch_id = str(uuid4())
    assert (await refusal(as_anchor.ReportAnchorOutcome(outcome))).reason == "BATCH_NOT_FOUND"
    assert (await refusal(factory.ReportAnchorOutcome(outcome))).reason == "PERMISSION_DENIED"


async def test_every_units_proof_leads_to_the_batchs_root(
    factory: Client, as_scan: Client, product: pb.Product, worker: Worker
) -> None:
    worker.start()
    batch = await order(factory, product, 70_000)
    issued = await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING)
    key = UnitCodeKey(1, bytes(range(32)))
    for index in (0, 255, 256, 32_767, 32_768, 65_535, 65_536, 69_999):
        proof = await as_scan.GetUnitProof(pb.GetUnitProofRequest(unit_id=FIRST_UNIT_ID + index))
        minted = key.mint(index)
        assert (proof.code, proof.salt, proof.leaf_index) == (minted.code, minted.salt, index)
        assert (proof.batch_id, proof.batch_root.hex()) == (batch.batch_id, issued.merkle_root)
        leaf = unit_leaf_data(
            salt=minted.salt, raw_code=minted.raw, facts_hash=facts_hash(proof.batch_facts), serial=proof.serial
        )
        verify_inclusion(
            leaf_hash(leaf),
            index=index,
            size=70_000,
            path=proof.inclusion_path,
            expected_root=bytes.fromhex(issued.merkle_root),
        )


async def test_a_unit_has_no_proof_before_its_root_nor_after_cancelling(
    factory: Client, as_scan: Client, product: pb.Product, sql: Sql
) -> None:
    batch = await order(factory, product, 3)
    sql(f"INSERT INTO factory.units (unit_id, batch_id, serial) VALUES ({FIRST_UNIT_ID}, '{batch.batch_id}', 'S')")  # noqa: S608 - our own value
    ask = pb.GetUnitProofRequest(unit_id=FIRST_UNIT_ID)
    assert (await refusal(as_scan.GetUnitProof(ask))).reason == "RECEIPT_NOT_READY"
    await factory.CancelBatch(pb.CancelBatchRequest(batch_id=batch.batch_id))
    assert (await refusal(as_scan.GetUnitProof(ask))).reason == "UNIT_NOT_FOUND"
    never_issued = pb.GetUnitProofRequest(unit_id=FIRST_UNIT_ID + 1)
    assert (await refusal(as_scan.GetUnitProof(never_issued))).reason == "UNIT_NOT_FOUND"
    assert (await refusal(factory.GetUnitProof(ask))).reason == "PERMISSION_DENIED"
