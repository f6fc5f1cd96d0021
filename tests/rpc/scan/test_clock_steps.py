"""The clock jumps, back and forth, by hours and months: scans go on, nothing is doubled, the ledger stays whole."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.scan.app import open_app
from services.scan.ledger_key import LedgerKey
from services.scan.operations.sequencing import Sequencer
from services.scan.operations.verification import LedgerVerifier
from services.scan.settings import Settings
from services.scan.storage.connection import HeldConnection
from tests.conftest import DatabaseUrl
from tests.rpc.scan.clients import Consumer
from tests.rpc.scan.registry import Registry


class SteppingClock:
    """The clock, so far off."""

    def __init__(self) -> None:
        self.off = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.off


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
async def consumer(scan_settings: Settings, clock: SteppingClock) -> AsyncIterator[Consumer]:
    async with open_app(scan_settings, clock=clock) as server:
        yield Consumer(f"127.0.0.1:{server.port}")


STEPS = (
    timedelta(hours=2),
    timedelta(hours=-3),
    timedelta(days=45),
    timedelta(days=-75),
    timedelta(seconds=-1),
    timedelta(days=400),
    timedelta(),
)


async def test_scans_go_on_whatever_the_clock_does(
    consumer: Consumer, registry: Registry, clock: SteppingClock, database_url: DatabaseUrl
) -> None:
    code = (await registry.issue()).codes[0]
    key = LedgerKey(Ed25519PrivateKey.generate(), origin="test.example/ledger")
    sequencer = Sequencer(database_url=database_url("voketag_scan"), key=key, clock=clock)
    leader = await asyncpg.connect(database_url("voketag_scan"))
    answers, sequenced = [], 0
    for step in STEPS:
        clock.off = step
        for _ in range(2):
            answer = await consumer.scan(code)
            assert not answer.degraded
            assert abs(answer.scanned_at.ToDatetime(UTC) - clock.now()) < timedelta(seconds=10)
            answers.append(answer)
        assert (await consumer.report(verification_id=answers[-1].verification_id, reason="damaged")).report_id
        sequenced += await sequencer.add_new(leader)
    await leader.close()
    assert [answer.history.total_scans for answer in answers] == list(range(1, len(answers) + 1))
    assert {answer.history.recent_scans for answer in answers} == set(range(1, len(answers) + 1)), "on Valkey's clock"
    events = await registry.sql("SELECT verification_id, scanned_at FROM scan.scan_events")
    assert {str(row["verification_id"]) for row in events} == {answer.verification_id for answer in answers}
    [counter] = await registry.sql("SELECT total_scans, first_scan_at, last_scan_at FROM scan.unit_scans")
    moments = [row["scanned_at"] for row in events]
    assert tuple(counter) == (len(answers), min(moments), max(moments))
    assert sequenced == len(answers)
    async with (
        HeldConnection(dsn=database_url("voketag_scan"), name="one", timeout_seconds=10) as one,
        HeldConnection(dsn=database_url("voketag_scan"), name="two", timeout_seconds=10) as two,
    ):
        done = await LedgerVerifier(connection=one, ahead=two, key=key.verifier).verify()
    assert done.entries == len(answers)


async def test_without_valkey_a_clock_that_was_set_back_invents_no_frequency(
    scan_settings: Settings, registry: Registry, clock: SteppingClock
) -> None:
    code = (await registry.issue()).codes[0]
    nowhere = scan_settings.model_copy(update={"hot_state_url": "redis://127.0.0.1:1/0"})
    async with open_app(nowhere, clock=clock) as server:
        consumer = Consumer(f"127.0.0.1:{server.port}")
        clock.off = timedelta(hours=1)
        for address in range(4):
            await consumer.using(address=f"203.0.113.{address}").scan(code)
        clock.off = timedelta()
        answer = await consumer.scan(code)
    assert answer.degraded
    assert answer.history.total_scans == 5
    assert [factor.factor for factor in answer.risk_factors] == []
