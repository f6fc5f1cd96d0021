"""Pausing, and cancelling in the middle: what is written stays as it is, and stays provable."""

import asyncio

import pytest

from services.common import unit_keys
from services.common.errors import BatchNotFound, UnitNotFound, WrongBatchState
from services.factory.minting_pool import MintingPool
from services.factory.model.batches import AnchorOutcome, BatchAnchor, BatchState
from services.factory.model.issuing import CHUNK_UNITS
from services.factory.operations.issuing import Issuer
from services.factory.operations.proofs import Proofs
from services.factory.storage.issuing import LeaseLost
from tests.storage.factory_batches.conftest import Shop
from tests.storage.factory_batches.test_crashes import QUANTITY, PausingMinter, first_chunk_written, is_whole
from tests.storage.factory_batches.units import expected_root, stored_units
from voketag_kernel.codes import raw_of
from voketag_kernel.receipts import facts_hash, unit_leaf_data
from voketag_kernel.rfc6962 import leaf_hash, verify_inclusion


async def stopped_after_a_chunk(shop: Shop, minter: MintingPool, stop) -> None:
    """Order a batch, let its worker write one chunk, and stop it by `stop`."""
    batch = await shop.order(QUANTITY)
    pausing = PausingMinter(minter)
    working = asyncio.create_task(Issuer(database=shop.database, minter=pausing).issue(await shop.take(batch)))
    await first_chunk_written(shop, batch)
    stopped = await stop(batch)
    pausing.go_on.set()
    with pytest.raises(LeaseLost):
        await working
    assert stopped.issued_count == CHUNK_UNITS
    return stopped


async def test_a_paused_batch_stops_at_a_chunk_and_goes_on_there(shop: Shop, minter: MintingPool, sql) -> None:
    paused = await stopped_after_a_chunk(shop, minter, shop.pause)
    assert (paused.state, paused.paused, paused.estimated_completion_at) == (BatchState.ISSUING, True, None)
    assert await shop.claims.take() is None
    before = stored_units(sql, paused)
    assert not (await shop.resume(paused)).paused
    await shop.issuer.issue(await shop.take(paused))
    assert stored_units(sql, paused).serials[:CHUNK_UNITS] == before.serials
    await is_whole(shop, sql, paused)


async def test_pausing_and_resuming_twice_are_no_errors(shop: Shop, sql) -> None:
    batch = await shop.order(1)
    paused = await shop.pause(batch)
    assert await shop.pause(batch) == paused
    resumed = await shop.resume(batch)
    assert await shop.resume(batch) == resumed
    topics = sql("SELECT topic FROM factory.outbox ORDER BY event_id").split()
    assert topics == ["batch.created", "batch.paused", "batch.resumed"]


@pytest.mark.parametrize("state", [state for state in BatchState if state.name not in {"PENDING", "ISSUING"}])
async def test_only_issuing_is_paused(shop: Shop, sql, state: BatchState) -> None:
    batch = await shop.order(1)
    sql(f"UPDATE factory.batches SET state = '{state.name}'")  # noqa: S608 - our own value
    with pytest.raises(WrongBatchState):
        await shop.pause(batch)


async def test_a_paused_batch_can_be_cancelled(shop: Shop) -> None:
    batch = await shop.order(1)
    await shop.pause(batch)
    cancelled = await shop.cancel(batch)
    assert (cancelled.state, cancelled.paused) == (BatchState.CANCELLED, False)


async def test_what_a_cancelled_batch_had_can_be_proved(shop: Shop, minter: MintingPool, sql, keys_folder) -> None:
    cancelled = await stopped_after_a_chunk(shop, minter, shop.cancel)
    units = stored_units(sql, cancelled)
    assert cancelled.tree_size == len(units.ids) == CHUNK_UNITS
    assert cancelled.merkle_root == expected_root(cancelled, units.serials)
    proofs = Proofs(database=shop.database, keys=unit_keys.load(keys_folder))
    for index in (0, 255, 256, CHUNK_UNITS - 1):
        with pytest.raises(UnitNotFound):
            await proofs.get(units.ids[index])
        proof = await proofs.get_voided(shop.tenant_id, cancelled.batch_id, index)
        leaf = unit_leaf_data(
            salt=proof.salt,
            raw_code=raw_of(proof.code),
            facts_hash=facts_hash(proof.batch_facts),
            serial=units.serials[index],
        )
        verify_inclusion(
            leaf_hash(leaf),
            index=index,
            size=proof.tree_size,
            path=proof.inclusion_path,
            expected_root=cancelled.merkle_root,
        )
    with pytest.raises(UnitNotFound):
        await proofs.get_voided(shop.tenant_id, cancelled.batch_id, CHUNK_UNITS)
    neighbour = await shop.neighbour()
    with pytest.raises(BatchNotFound):
        await proofs.get_voided(neighbour.tenant_id, cancelled.batch_id, 0)


async def test_a_batch_in_force_has_no_proof_of_being_void(shop: Shop, keys_folder) -> None:
    batch = await shop.issued(3)
    proofs = Proofs(database=shop.database, keys=unit_keys.load(keys_folder))
    with pytest.raises(WrongBatchState):
        await proofs.get_voided(shop.tenant_id, batch.batch_id, 0)
    assert (await proofs.get(batch.range.first_unit_id)).tree_size == 3


async def test_a_batch_cancelled_before_its_first_unit_has_no_root(shop: Shop) -> None:
    cancelled = await shop.cancel(await shop.order(5))
    assert (cancelled.merkle_root, cancelled.tree_size) == (None, 0)


async def test_no_outcome_of_an_anchor_revives_a_cancelled_batch(shop: Shop, minter: MintingPool) -> None:
    cancelled = await stopped_after_a_chunk(shop, minter, shop.cancel)
    outcome = AnchorOutcome(cancelled.merkle_root, BatchAnchor("0x" + "ab" * 32, 7, 1))
    await shop.batches.report_anchor_outcome(cancelled.batch_id, outcome)
    assert await shop.read(cancelled) == cancelled


async def test_nothing_is_estimated_before_anything_was_measured(shop: Shop) -> None:
    assert (await shop.read(await shop.order(1))).estimated_completion_at is None


async def test_an_estimate_follows_from_the_measured_rate_and_what_waits_before(shop: Shop, sql) -> None:
    done = await shop.issued(10)
    assert (await shop.read(done)).estimated_completion_at is None
    sql("UPDATE factory.batches SET issuing_seconds = 0.1")  # 100 units a second
    other = await shop.neighbour()
    before, mine = await shop.order(300), await shop.order(200)
    await other.order(1_000_000)  # of which at most as many as ours come before ours
    now = float(sql("SELECT extract(epoch FROM now())"))
    seconds = [(await shop.read(batch)).estimated_completion_at.timestamp() - now for batch in (before, mine)]
    assert seconds == [pytest.approx((300 + 300) / 100, abs=1), pytest.approx((500 + 500) / 100, abs=1)]
