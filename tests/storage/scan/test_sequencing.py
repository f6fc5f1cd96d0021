"""The sequencer on real PostgreSQL: every committed event is one entry of one chain and one tree, whatever happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.clock import SystemClock
from services.common.errors import Unavailable
from services.common.ids import uuid7
from services.scan.ledger_key import LedgerKey, holds
from services.scan.model import RiskFactor, ScanEvent, Verdict
from services.scan.operations.ledger import Ledger
from services.scan.operations.sequencing import Sequencer
from services.scan.storage import events
from services.scan.storage.connection import HeldConnection
from tests.conftest import DatabaseUrl
from voketag_kernel import rfc6962
from voketag_kernel.ledger import NO_ENTRY, body_of, hash_of, read_entry
from voketag_kernel.ledger import ScanEntry as Entry
from voketag_kernel.notes import open_note
from voketag_kernel.tlog import Checkpoint, LogProof

NOW = datetime.now(UTC)


class StandingClock:
    """A clock that stands."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        return self._moment


def scan_of(unit_id: int, *, factors: tuple[str, ...] = ("rapid_scans", "high_frequency")) -> ScanEvent:
    return ScanEvent(
        verification_id=uuid7(),
        unit_id=unit_id,
        batch_id=uuid4(),
        scanned_at=NOW + timedelta(microseconds=unit_id),
        verdict=Verdict.WARNING,
        risk_score=65,
        risk_factors=tuple(RiskFactor(name, 30) for name in factors),
        country="BR",
        device_hash=b"d" * 16,
        address_hash=b"a" * 16,
        degraded=unit_id % 2 == 0,
        tenant_id=uuid4(),
        product_id=uuid4(),
        cell="6gy",
        duplicate=unit_id % 3 == 0,
    )


@pytest.fixture
def key() -> LedgerKey:
    return LedgerKey(Ed25519PrivateKey.generate(), origin="test.example/ledger")


@pytest.fixture
async def leader(database_url: DatabaseUrl) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database_url("voketag_scan"))
    yield opened
    await opened.close()


@pytest.fixture
def sequencer(database_url: DatabaseUrl, key: LedgerKey) -> Sequencer:
    return Sequencer(database_url=database_url("voketag_scan"), key=key, clock=SystemClock())


async def entries_of(ledger: Ledger, size: int) -> list[bytes]:
    """Read every entry back as an outsider does, from the entry bundles."""
    found = []
    for index in range(0, size, 256):
        width = min(256, size - index)
        suffix = "" if width == 256 else f".p/{width}"
        data = (await ledger.file(f"tile/entries/{index // 256:03}{suffix}")).data
        while data:
            length = int.from_bytes(data[:2], "big")
            found.append(data[2 : 2 + length])
            data = data[2 + length :]
    return found


async def test_entries_are_chained_and_are_the_leaves_of_the_signed_tree(
    connection: HeldConnection, leader: asyncpg.Connection, sequencer: Sequencer, key: LedgerKey
) -> None:
    scans = [scan_of(unit) for unit in range(600)]
    for start, end in ((0, 1), (1, 256), (256, 257), (257, 600)):
        await events.record(connection, scans[start:end])
        assert await sequencer.add_new(leader) == end - start
    ledger = Ledger(connection=connection)
    text = open_note((await ledger.checkpoint()).data.decode(), key=key.verifier, check=holds)
    checkpoint = Checkpoint.parse(text)
    entries = await entries_of(ledger, 600)
    before = NO_ENTRY
    for index, entry in enumerate(entries):
        place, chained_to, _ = read_entry(entry)
        assert (place, chained_to) == (index, before)
        before = hash_of(entry)
    assert checkpoint == Checkpoint(
        origin="test.example/ledger", size=600, root=rfc6962.root([hash_of(entry) for entry in entries])
    )
    assert {read_entry(entry)[2].verification_id for entry in entries} == {scan.verification_id for scan in scans}


async def test_postgresql_makes_the_bytes_that_the_specification_names(
    connection: HeldConnection, leader: asyncpg.Connection, sequencer: Sequencer
) -> None:
    scan = scan_of(7, factors=())
    await events.record(connection, [scan])
    await sequencer.add_new(leader)
    [entry] = await entries_of(Ledger(connection=connection), 1)
    written = Entry(
        verification_id=scan.verification_id,
        unit_id=7,
        batch_id=scan.batch_id,
        product_id=scan.product_id,
        tenant_id=scan.tenant_id,
        scanned_at=scan.scanned_at,
        verdict=2,
        risk_score=65,
        degraded=False,
        duplicate=False,
        risk_factors=(),
        country="BR",
        cell="6gy",
        device_hash=b"d" * 16,
        address_hash=b"a" * 16,
    )
    assert read_entry(entry) == (0, NO_ENTRY, written)
    assert entry.endswith(body_of(written))


async def test_an_event_that_commits_late_is_not_missed(
    connection: HeldConnection, database_url: DatabaseUrl, leader: asyncpg.Connection, sequencer: Sequencer
) -> None:
    slow = await asyncpg.connect(database_url("voketag_scan"))
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute("SELECT pg_current_xact_id()")
    await events.record(connection, [scan_of(1)])
    assert await sequencer.add_new(leader) == 0, "an older transaction is under way, and might still add an event"
    await transaction.commit()
    await slow.close()
    assert await sequencer.add_new(leader) == 1


async def test_two_sequencers_at_once_make_one_chain(
    connection: HeldConnection, database_url: DatabaseUrl, key: LedgerKey
) -> None:
    stop = asyncio.Event()
    both = [Sequencer(database_url=database_url("voketag_scan"), key=key, clock=SystemClock()) for _ in range(2)]
    connections = [await asyncpg.connect(database_url("voketag_scan")) for _ in both]

    async def hurry(sequencer: Sequencer, held: asyncpg.Connection) -> None:
        while not stop.is_set():  # without the lock that keeps a second one waiting
            await sequencer.add_new(held)

    hurrying = [asyncio.create_task(hurry(*each)) for each in zip(both, connections, strict=True)]
    for unit in range(0, 300, 10):
        await events.record(connection, [scan_of(unit + place) for place in range(10)])
    await asyncio.sleep(0.3)
    stop.set()
    await asyncio.gather(*hurrying)
    for each in connections:
        await each.close()
    entries = await entries_of(Ledger(connection=connection), 300)
    assert len({read_entry(entry)[2].verification_id for entry in entries}) == 300


async def test_checkpoints_are_signed_one_after_the_other_whatever_the_clock_does(
    connection: HeldConnection, leader: asyncpg.Connection, key: LedgerKey
) -> None:
    moments = [datetime(2026, 5, 1, hour, tzinfo=UTC) for hour in (9, 12, 10, 13)]
    for size, moment in enumerate(moments, 1):
        await events.record(connection, [scan_of(size)])
        await Sequencer(database_url="", key=key, clock=StandingClock(moment)).add_new(leader)
    signed = await leader.fetch("SELECT signed_at FROM scan.ledger_checkpoints ORDER BY size")
    assert [row["signed_at"].hour for row in signed] == [9, 12, 12, 13]


async def test_a_proof_holds_for_every_entry_and_for_no_other(
    connection: HeldConnection, leader: asyncpg.Connection, sequencer: Sequencer, key: LedgerKey
) -> None:
    scans = [scan_of(unit) for unit in range(270)]
    await events.record(connection, scans)
    await sequencer.add_new(leader)
    ledger = Ledger(connection=connection)
    for scan in (scans[0], scans[255], scans[256], scans[269]):
        proof = LogProof.parse((await ledger.proof(scan.verification_id)).data.decode())
        checkpoint = Checkpoint.parse(open_note(proof.checkpoint, key=key.verifier, check=holds))
        proof.verify(checkpoint)
        assert read_entry(proof.entry)[2].verification_id == scan.verification_id


async def test_a_later_ledger_begins_with_the_earlier_one(
    connection: HeldConnection, leader: asyncpg.Connection, sequencer: Sequencer
) -> None:
    ledger = Ledger(connection=connection)
    for count in (3, 255, 300):
        await events.record(connection, [scan_of(unit) for unit in range(count)])
        await sequencer.add_new(leader)
    for old, new in ((1, 3), (3, 258), (258, 558), (3, 0)):
        proof = await ledger.consistency(old, new)
        rfc6962.verify_consistency(
            old_size=old, new_size=new or 558, old_root=proof.old_root, new_root=proof.root, path=proof.path
        )


async def test_a_checkpoint_covers_a_scan_within_two_seconds(
    connection: HeldConnection, sequencer: Sequencer, key: LedgerKey
) -> None:
    stop, ledger = asyncio.Event(), Ledger(connection=connection)
    leading = asyncio.create_task(sequencer.run(stop))
    delays = []
    for count in range(1, 8):
        await events.record(connection, [scan_of(count)])
        recorded = time.monotonic()
        async with asyncio.timeout(10):
            while await _size_signed(ledger, key) < count:  # noqa: ASYNC110 - waits for the sequencer
                await asyncio.sleep(0.02)
        delays.append(time.monotonic() - recorded)
        await asyncio.sleep(0.13)  # so that scans fall into different moments of a round
    stop.set()
    await leading
    # The first waits for the leader's connection, and any one may meet a busy machine.
    assert sorted(delays)[len(delays) // 2] < 2, delays


async def _size_signed(ledger: Ledger, key: LedgerKey) -> int:
    try:
        note = (await ledger.checkpoint()).data.decode()
    except Unavailable:
        return 0
    return Checkpoint.parse(open_note(note, key=key.verifier, check=holds)).size
