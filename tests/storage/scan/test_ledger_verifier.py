"""Whoever rewrites history in the database is found, and the first entry that was touched is named."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.clock import SystemClock
from services.common.errors import EntryNotFound, ResourceNotFound
from services.scan.ledger_key import LedgerKey
from services.scan.operations.ledger import Ledger
from services.scan.operations.sequencing import Sequencer
from services.scan.operations.verification import LedgerIsWrong, LedgerVerifier, Verified
from services.scan.storage import events
from services.scan.storage.connection import HeldConnection
from services.scan.tables import scan_events
from tests.conftest import DatabaseUrl
from tests.storage.scan.test_sequencing import scan_of

SIZE = 600
KEY = LedgerKey(Ed25519PrivateKey.generate(), origin="test.example/ledger")


class Attacker:
    """Somebody with every right on the database."""

    def __init__(self, owner: asyncpg.Connection) -> None:
        self._owner = owner

    async def sql(self, statement: str, *arguments: object) -> None:
        await self._owner.execute(statement, *arguments)

    async def scan_at(self, index: int) -> object:
        """Return the scan of an entry."""
        return await self._owner.fetchval(
            "SELECT verification_id FROM scan.ledger_entries WHERE entry_index = $1", index
        )


@pytest.fixture
async def attacker(connection: HeldConnection, database_url: DatabaseUrl) -> AsyncIterator[Attacker]:
    """An attacker before a ledger of some hundred entries, made in two rounds."""
    leader = await asyncpg.connect(database_url("voketag_scan"))
    sequencer = Sequencer(database_url=database_url("voketag_scan"), key=KEY, clock=SystemClock())
    for start in (0, 300):
        await events.record(connection, [scan_of(unit) for unit in range(start, start + 300)])
        await sequencer.add_new(leader)
    await leader.close()
    owner = await asyncpg.connect(database_url())
    yield Attacker(owner)
    await owner.close()


@pytest.fixture
async def ahead(database_url: DatabaseUrl) -> AsyncIterator[HeldConnection]:
    async with HeldConnection(dsn=database_url("voketag_scan"), name="ahead", timeout_seconds=10) as opened:
        yield opened


@pytest.fixture
def verifier(connection: HeldConnection, ahead: HeldConnection, attacker: Attacker) -> LedgerVerifier:
    return LedgerVerifier(connection=connection, ahead=ahead, key=KEY.verifier)


async def first_bad(verifier: LedgerVerifier) -> LedgerIsWrong:
    with pytest.raises(LedgerIsWrong) as caught:
        await verifier.verify()
    return caught.value


async def test_a_ledger_that_nobody_touched_is_whole(verifier: LedgerVerifier) -> None:
    done = await verifier.verify()
    assert (done.entries, done.checkpoints) == (SIZE, 2)
    assert isinstance(done, Verified)


COLUMNS = {
    "unit_id": "unit_id + 1",
    "batch_id": "gen_random_uuid()",
    "product_id": "gen_random_uuid()",
    "tenant_id": "gen_random_uuid()",
    "scanned_at": "scanned_at + interval '1 second'",
    "verdict": "1",
    "risk_score": "0",
    "risk_factors": "'{}'",
    "country": "'AR'",
    "cell": "'6gz'",
    "device_hash": "'x'",
    "address_hash": "'x'",
    "degraded": "NOT degraded",
    "duplicate": "NOT duplicate",
}


def test_every_column_that_can_be_changed_is_tried() -> None:
    assert set(COLUMNS) == {column.name for column in scan_events.columns} - {"verification_id", "xact_id"}


@pytest.mark.parametrize("column", COLUMNS)
async def test_a_changed_field_is_found(attacker: Attacker, verifier: LedgerVerifier, column: str) -> None:
    await attacker.sql(
        f"UPDATE scan.scan_events SET {column} = {COLUMNS[column]} WHERE verification_id = $1",  # noqa: S608
        scan := await attacker.scan_at(399),
    )
    found = await first_bad(verifier)
    assert found.index == 399
    assert found.scan in {scan, None}


async def test_a_deleted_event_is_found(attacker: Attacker, verifier: LedgerVerifier) -> None:
    await attacker.sql("DELETE FROM scan.scan_events WHERE verification_id = $1", await attacker.scan_at(17))
    assert (await first_bad(verifier)).index == 17


async def test_events_may_be_gone_from_before_the_retention_and_from_no_other_time(
    attacker: Attacker, connection: HeldConnection, ahead: HeldConnection
) -> None:
    oldest = "SELECT verification_id FROM scan.ledger_entries WHERE entry_index < 100"
    await attacker.sql("UPDATE scan.ledger_entries SET scanned_at = '2020-01-31' WHERE entry_index < 100")
    await attacker.sql(f"DELETE FROM scan.scan_events WHERE verification_id IN ({oldest})")  # noqa: S608 - a constant

    async def verified(kept_from: datetime | None) -> Verified:
        walk = LedgerVerifier(connection=connection, ahead=ahead, key=KEY.verifier, kept_from=kept_from)
        return await walk.verify()

    february = datetime(2020, 2, 1, tzinfo=UTC)
    assert ((done := await verified(february)).entries, done.forgotten) == (SIZE, 100)
    for kept_from in (None, datetime(2020, 1, 1, tzinfo=UTC)):
        with pytest.raises(LedgerIsWrong, match="entry 0: the entry's event is gone"):
            await verified(kept_from)
    ledger = Ledger(connection=connection)
    with pytest.raises(EntryNotFound):
        await ledger.proof(UUID(str(await attacker.scan_at(99))))
    with pytest.raises(ResourceNotFound):
        await ledger.file("tile/entries/000")
    assert (await ledger.proof(UUID(str(await attacker.scan_at(100))))).data
    await attacker.sql("DELETE FROM scan.scan_events WHERE verification_id = $1", await attacker.scan_at(150))
    with pytest.raises(LedgerIsWrong, match="entry 150"):
        await verified(february)


async def test_the_hash_of_an_entry_whose_event_is_gone_is_held_against_the_signatures(
    attacker: Attacker, connection: HeldConnection, ahead: HeldConnection
) -> None:
    await attacker.sql("DELETE FROM scan.scan_events WHERE verification_id = $1", await attacker.scan_at(299))
    await attacker.sql(
        "UPDATE scan.ledger_tiles SET hashes = overlay(hashes placing sha256('x') from 43 * 32 + 1)"
        " WHERE level = 0 AND tile_index = 1"  # where 299 is
    )
    later = datetime.now(UTC) + timedelta(days=1)
    found = await first_bad(LedgerVerifier(connection=connection, ahead=ahead, key=KEY.verifier, kept_from=later))
    assert found.index == 300


async def test_a_deleted_entry_is_found(attacker: Attacker, verifier: LedgerVerifier) -> None:
    await attacker.sql("DELETE FROM scan.ledger_entries WHERE entry_index = 256")
    assert (await first_bad(verifier)).index == 256


async def test_an_event_that_was_slipped_in_is_found(attacker: Attacker, verifier: LedgerVerifier) -> None:
    await attacker.sql(
        "INSERT INTO scan.scan_events SELECT (json_populate_record(event, json_build_object("
        "'verification_id', gen_random_uuid()))).* FROM scan.scan_events AS event WHERE verification_id = $1",
        await attacker.scan_at(5),
    )
    found = await first_bad(verifier)
    assert (found.index, found.scan is None) == (SIZE, False)


async def test_an_entry_that_was_slipped_in_is_found(attacker: Attacker, verifier: LedgerVerifier) -> None:
    await attacker.sql("UPDATE scan.ledger_entries SET entry_index = entry_index + 1000 WHERE entry_index >= 300")
    await attacker.sql("UPDATE scan.ledger_entries SET entry_index = entry_index - 999 WHERE entry_index >= 1300")
    await attacker.sql(
        "INSERT INTO scan.ledger_entries SELECT 300, gen_random_uuid(), scanned_at FROM scan.ledger_entries "
        "WHERE entry_index = 299"
    )
    assert (await first_bad(verifier)).index == 300


async def test_two_entries_that_changed_places_are_found(attacker: Attacker, verifier: LedgerVerifier) -> None:
    first, second = await attacker.scan_at(100), await attacker.scan_at(400)
    await attacker.sql("DELETE FROM scan.ledger_entries WHERE entry_index IN (100, 400)")
    for index, scan in ((100, second), (400, first)):
        await attacker.sql(
            "INSERT INTO scan.ledger_entries SELECT $1, verification_id, scanned_at FROM scan.scan_events "
            "WHERE verification_id = $2",
            index,
            scan,
        )
    assert (await first_bad(verifier)).index == 100


async def test_a_leaf_that_was_changed_with_its_event_is_found_by_the_signature(
    attacker: Attacker, verifier: LedgerVerifier, connection: HeldConnection, database_url: DatabaseUrl
) -> None:
    """The attacker makes the whole ledger anew, and lacks only the key."""
    await attacker.sql(
        "UPDATE scan.scan_events SET risk_score = 0 WHERE verification_id = $1", await attacker.scan_at(9)
    )
    await attacker.sql("TRUNCATE scan.ledger_entries, scan.ledger_tiles, scan.ledger_checkpoints")
    await attacker.sql(
        "UPDATE scan.ledger_state SET size = 0, last_hash = decode(repeat('00', 32), 'hex'), xact_cursor = '0'"
    )
    forger = LedgerKey(Ed25519PrivateKey.generate(), origin=KEY.origin)
    leader = await asyncpg.connect(database_url("voketag_scan"))
    await Sequencer(database_url="", key=forger, clock=SystemClock()).add_new(leader)
    await leader.close()
    assert "not signed" in str(await first_bad(verifier))


async def test_a_ledger_that_lost_its_end_is_found(attacker: Attacker, verifier: LedgerVerifier) -> None:
    await attacker.sql("DELETE FROM scan.ledger_checkpoints WHERE size = 600")
    assert (await first_bad(verifier)).index == SIZE - 1


async def test_a_tile_that_proofs_would_be_made_from_is_checked(attacker: Attacker, verifier: LedgerVerifier) -> None:
    await attacker.sql("UPDATE scan.ledger_tiles SET hashes = overlay(hashes placing '\\x00' from 1) WHERE level = 1")
    assert "tile 1/0" in str(await first_bad(verifier))
