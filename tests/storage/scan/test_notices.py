"""Notices for Factory: of scans of high risk, once a unit and day, and on their way until they are taken."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.clock import SystemClock
from services.common.errors import Unavailable
from services.scan.ledger_key import LedgerKey
from services.scan.model import Notice, NoticeKind, ScanEvent, Verdict
from services.scan.operations.anchoring import CheckpointAnchoring, subject_of
from services.scan.operations.notices import Notices
from services.scan.operations.sequencing import Sequencer
from services.scan.storage import events
from services.scan.storage import ledger as ledger_storage
from services.scan.storage.connection import HeldConnection
from tests.conftest import DatabaseUrl
from tests.storage.scan.test_sequencing import NOW, scan_of

ORIGIN = "test.example/ledger"


class FactoryThatForgets:
    """Takes notices as Factory does, by their id; while `away` it answers nobody."""

    def __init__(self) -> None:
        self.taken: dict[UUID, Notice] = {}
        self.away = False

    async def take(self, notices: Sequence[Notice]) -> None:
        if self.away:
            raise Unavailable
        self.taken |= {each.notice_id: each for each in notices}


class AnchorThatTakes:
    def __init__(self) -> None:
        self.taken: list[tuple[UUID, bytes, int]] = []
        self.away = False

    async def submit_checkpoint(self, subject: UUID, *, root: bytes, size: int) -> None:
        if self.away:
            raise Unavailable
        self.taken.append((subject, root, size))


@pytest.fixture
def factory() -> FactoryThatForgets:
    return FactoryThatForgets()


@pytest.fixture
def notices(connection: HeldConnection, factory: FactoryThatForgets) -> Notices:
    return Notices(connection=connection, taker=factory, clock=SystemClock())


async def enter(connection: HeldConnection, database_url: DatabaseUrl, scans: Sequence[ScanEvent]) -> None:
    """Record scans and take them into the ledger."""
    await events.record(connection, scans)
    leader = await asyncpg.connect(database_url("voketag_scan"))
    key = LedgerKey(Ed25519PrivateKey.generate(), origin=ORIGIN)
    await Sequencer(database_url="", key=key, clock=SystemClock()).add_new(leader)
    await leader.close()


def risky(unit_id: int, *, days: int = 0, verdict: Verdict = Verdict.HIGH_RISK) -> ScanEvent:
    event = scan_of(unit_id)
    changes = {"verdict": verdict, "scanned_at": NOW.replace(hour=12) - timedelta(days=days)}
    return ScanEvent(**{name: getattr(event, name) for name in event.__slots__} | changes)


async def test_a_unit_at_high_risk_is_told_of_once_a_day(
    connection: HeldConnection, database_url: DatabaseUrl, notices: Notices, factory: FactoryThatForgets
) -> None:
    await enter(connection, database_url, [risky(1), risky(1), risky(2), risky(3, verdict=Verdict.WARNING)])
    await notices.note_high_risk()
    await enter(connection, database_url, [risky(1), risky(2, days=1)])
    await notices.note_high_risk()
    await notices.note_high_risk()
    await notices.deliver()
    told = sorted((each.unit_id, each.occurred_at.date()) for each in factory.taken.values())
    today = NOW.date()
    assert told == [(1, today), (2, today - timedelta(days=1)), (2, today)]
    one = next(iter(factory.taken.values()))
    assert one.kind is NoticeKind.HIGH_RISK
    assert one.details["risk_score"] == "65"


async def test_what_factory_did_not_take_waits(
    connection: HeldConnection, database_url: DatabaseUrl, notices: Notices, factory: FactoryThatForgets
) -> None:
    await enter(connection, database_url, [risky(1)])
    await notices.note_high_risk()
    factory.away = True
    await notices.deliver()
    assert factory.taken == {}
    factory.away = False
    await notices.deliver()
    assert len(factory.taken) == 1
    factory.taken.clear()
    await notices.deliver()
    assert factory.taken == {}, "what was taken is not sent again"


async def test_the_newest_checkpoint_is_submitted_now_and_then(
    connection: HeldConnection, database_url: DatabaseUrl
) -> None:
    anchor = AnchorThatTakes()
    anchoring = CheckpointAnchoring(
        connection=connection, anchor=anchor, origin=ORIGIN, interval=timedelta(hours=1), clock=SystemClock()
    )
    await anchoring.submit()
    assert anchor.taken == [], "there is no ledger yet"
    await enter(connection, database_url, [scan_of(1), scan_of(2)])
    anchor.away = True
    await anchoring.submit()
    anchor.away = False
    await anchoring.submit()
    newest = await ledger_storage.newest_checkpoint(connection)
    assert newest is not None
    assert anchor.taken == [(subject_of(ORIGIN, 2), newest.root, 2)]
    await enter(connection, database_url, [scan_of(3)])
    await anchoring.submit()
    assert len(anchor.taken) == 1, "the hour is not over"
    owner = await asyncpg.connect(database_url())
    await owner.execute("UPDATE scan.ledger_checkpoints SET signed_at = signed_at - interval '1 hour'")
    await owner.close()
    await anchoring.submit()
    assert [size for _, _, size in anchor.taken] == [2, 3]
    await anchoring.submit()
    assert len(anchor.taken) == 2, "nothing new"
