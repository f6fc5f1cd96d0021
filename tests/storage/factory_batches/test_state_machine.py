"""Random lives of batches: orders, workers that are killed between any two steps, late workers, two of everything at
once, pauses, cancellations, retries and outcomes of anchors in any order.

Whatever happens: a batch has the units that its cursor says, all of its units or none are visible, codes and serials
never change, a root never changes, and every event is told once.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from services.common import unit_keys
from services.common.clock import SystemClock
from services.common.database import Database, Transaction
from services.common.errors import RootConflict, WrongBatchState
from services.common.settings import ProcessSettings
from services.factory.minting import mint_chunk
from services.factory.model import issuing as issuing_model
from services.factory.model.batches import AnchorOutcome, BatchAnchor, BatchOrder, BatchPriority, BatchState
from services.factory.model.issuing import Chunk, ChunkOrder, Claim
from services.factory.model.products import NewProduct, ProductDetails
from services.factory.operations.batches import Batches
from services.factory.operations.claims import Claims
from services.factory.operations.issuing import Issuer
from services.factory.operations.products import Products
from services.factory.operations.signing_keys import ensure_signing_keys
from services.factory.operations.tenants import create_tenant
from services.factory.storage.issuing import LeaseLost
from tests.conftest import DatabaseUrl
from tests.storage.factory_batches.conftest import KEY_ID, SECRET
from tests.storage.factory_batches.units import expected_root
from voketag_kernel.codes import UnitCodeKey

CHUNK = 256
KEY = UnitCodeKey(KEY_ID, SECRET)
ROOTED = {BatchState.ANCHORING, BatchState.COMPLETED, BatchState.ANCHOR_FAILED}


class Killed(Exception):
    """Ends a worker where it stands."""


@dataclass
class MortalDatabase:
    """The database of a worker that dies at its transaction number `dies_at`: before its commit, or after."""

    real: Database
    dies_at: int
    after_commit: bool

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self.dies_at -= 1
        async with self.real.transaction() as tx:
            yield tx
            if self.dies_at == 0 and not self.after_commit:
                raise Killed
        if self.dies_at == 0:
            raise Killed

    def reading(self) -> Any:
        return self.real.reading()


class InProcessMinter:
    """Makes chunks where it stands: a pool would make the lives of batches slow, not different."""

    parallel = 1

    async def mint(self, order: ChunkOrder) -> Chunk:
        return mint_chunk(KEY, order)


class NoQueue:
    """The queue, flushed before anybody read it."""

    async def nudge(self, job: str, key: str) -> None:
        """Lose a nudge."""


@dataclass
class Known:
    """What is known of a batch: it may only grow."""

    batch_id: UUID
    units: list[str] = field(default_factory=list)
    root: bytes | None = None


class BatchLives(RuleBasedStateMachine):
    """One tenant's batches, at the mercy of chance."""

    url: str
    keys_folder: Path

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.known: list[Known] = []
        self.held: list[Claim] = []
        self.run(self.open_shop())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 60))

    async def open_shop(self) -> None:
        clock = SystemClock()
        self.database = Database.open(ProcessSettings(database_url=self.url))
        keys = unit_keys.load(self.keys_folder)
        await ensure_signing_keys(database=self.database, clock=clock, keys=keys, active=KEY_ID)
        tenant = await create_tenant(
            database=self.database, clock=clock, name="Acme", verification_base_url="https://v.example"
        )
        self.tenant_id = tenant.tenant_id
        details = ProductDetails("Azeite", "", "", "", (), "", {})
        async with self.database.transaction() as tx:
            product = await Products(database=self.database, clock=clock).create(
                tx, self.tenant_id, NewProduct("A-1", details)
            )
            # Batches of the life before this one are nobody's work any more.
            await tx.connection.exec_driver_sql("UPDATE factory.batches SET paused_at = now()")
        self.product_id = product.product_id
        self.batches = Batches(database=self.database, queue=NoQueue(), signing_key_id=KEY_ID, chains=("main",))
        self.claims = Claims(database=self.database, lease=timedelta(seconds=60))

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.run(self.database.aclose())
            self.loop.close()

    @rule(quantity=st.sampled_from([1, 255, 256, 257, 700, 1024]), priority=st.sampled_from(BatchPriority))
    def order(self, quantity: int, priority: BatchPriority) -> None:
        async def work() -> None:
            async with self.database.transaction() as tx:
                wanted = BatchOrder(self.product_id, quantity, priority=priority)
                batch = await self.batches.create(tx, self.tenant_id, wanted)
            self.known.append(Known(batch.batch_id))

        if len(self.known) < 3:
            self.run(work())

    @rule(dies_at=st.integers(1, 8), after_commit=st.booleans())
    def a_worker_works_until_it_is_killed(self, dies_at: int, after_commit: bool) -> None:
        self.run(self.work(dies_at, after_commit))

    @rule()
    def two_workers_work_to_the_end_at_once(self) -> None:
        async def work() -> None:
            await asyncio.gather(self.work(0, False), self.work(0, False))

        self.run(work())

    async def work(self, dies_at: int, after_commit: bool) -> None:
        claim = await self.claims.take()
        if claim is None:
            return
        self.held.append(claim)
        if claim.batch.state is not BatchState.ANCHORING:
            await self.issue(claim, dies_at, after_commit)

    async def issue(self, claim: Claim, dies_at: int, after_commit: bool) -> None:
        database: Any = MortalDatabase(self.database, dies_at, after_commit)
        with suppress(Killed, LeaseLost):
            await Issuer(database=database, minter=InProcessMinter()).issue(claim)

    @rule(which=st.integers(0, 9))
    def a_worker_that_was_taken_for_dead_goes_on(self, which: int) -> None:
        if self.held:
            claim = self.held[which % len(self.held)]
            if claim.batch.state is not BatchState.ANCHORING:
                self.run(self.issue(claim, 0, False))

    @rule()
    def leases_run_out(self) -> None:
        self.run(self.execute("UPDATE factory.batches SET lease_until = now(), due_at = now()"))

    @rule(which=st.integers(0, 9))
    def a_worker_gives_a_batch_up(self, which: int) -> None:
        async def work() -> None:
            with suppress(LeaseLost):
                await self.claims.fail(self.held[which % len(self.held)], "the line stopped")

        if self.held:
            self.run(work())

    @rule(which=st.integers(0, 9), does=st.sampled_from(["retry", "cancel", "pause", "resume"]), twice=st.booleans())
    def the_partner_says(self, which: int, does: str, twice: bool) -> None:
        async def say(known: Known) -> None:
            with suppress(WrongBatchState):
                async with self.database.transaction() as tx:
                    await getattr(self.batches, does)(tx, self.tenant_id, known.batch_id)

        async def work(known: Known) -> None:
            await asyncio.gather(*(say(known) for _ in range(1 + twice)))

        if self.known:
            self.run(work(self.known[which % len(self.known)]))

    @rule(which=st.integers(0, 9), confirmed=st.booleans(), block=st.integers(1, 2), times=st.integers(1, 2))
    def anchor_reports(self, which: int, confirmed: bool, block: int, times: int) -> None:
        async def report(known: Known) -> None:
            batch = await self.batches.get(self.tenant_id, known.batch_id)
            anchor = BatchAnchor("0x" + "ab" * 32, block, 1) if confirmed else None
            outcome = AnchorOutcome(batch.merkle_root or bytes(32), anchor, "" if confirmed else "no funds")
            try:
                await self.batches.report_anchor_outcome(known.batch_id, outcome)
            except RootConflict:
                assert batch.merkle_root is None

        async def work(known: Known) -> None:
            await asyncio.gather(*(report(known) for _ in range(times)))

        if self.known:
            self.run(work(self.known[which % len(self.known)]))

    @invariant()
    def batches_are_what_they_promise(self) -> None:
        for known in getattr(self, "known", []):
            self.run(self.check(known))

    async def check(self, known: Known) -> None:
        batch = await self.batches.get(self.tenant_id, known.batch_id)
        units = await self.execute(
            f"SELECT unit_id || ' ' || serial FROM factory.units WHERE batch_id = '{known.batch_id}' ORDER BY unit_id"  # noqa: S608
        )
        assert len(units) == batch.issued_count
        assert batch.issued_count % CHUNK == 0 or batch.issued_count == batch.quantity
        assert units[: len(known.units)] == known.units
        whole = batch.issued_count == batch.quantity
        assert (batch.state in ROOTED) <= whole
        # What Scan and the listings show: all of a batch or nothing of it.
        assert not whole or batch.state in ROOTED
        if known.root is not None:
            assert batch.merkle_root == known.root
        elif batch.merkle_root is not None:
            assert batch.state in ROOTED | {BatchState.CANCELLED}
            assert batch.merkle_root == expected_root(batch, [unit.split()[1] for unit in units])
        assert (batch.merkle_root is not None) == (whole or (batch.state is BatchState.CANCELLED and bool(units)))
        assert (batch.anchor is not None) == (batch.state is BatchState.COMPLETED)
        known.units, known.root = units, batch.merkle_root
        topics = Counter(
            await self.execute(f"SELECT topic FROM factory.outbox WHERE subject = '{known.batch_id}'")  # noqa: S608
        )
        assert topics["batch.created"] == 1
        assert topics["batch.issued"] == whole
        assert topics["batch.completed"] == (batch.state is BatchState.COMPLETED)
        assert topics["batch.cancelled"] == (batch.state is BatchState.CANCELLED)
        stopped = batch.state in {BatchState.FAILED, BatchState.ANCHOR_FAILED}
        # Once for every stop; a late confirmation may come instead of a retry.
        assert (
            0
            <= topics["batch.failed"] - topics["batch.retried"] - stopped
            <= topics["batch.completed"] + (topics["batch.cancelled"])
        )

    async def execute(self, statement: str) -> list[str]:
        async with self.database.transaction() as tx:
            found = await tx.connection.exec_driver_sql(statement)
            return [row[0] for row in found] if found.returns_rows else []


def test_batches_keep_their_promises_through_random_lives(
    database_url: DatabaseUrl, keys_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Chunks of one tile, so that a batch of a thousand is several: the same rules, sooner.
    monkeypatch.setattr(issuing_model, "CHUNK_UNITS", CHUNK)

    class Lives(BatchLives):
        """A machine on this test's database."""

        url = database_url("voketag_factory")

    Lives.keys_folder = keys_folder
    bounded = settings(
        max_examples=25,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Lives, settings=bounded)
