"""The ledger's SQL: new events in order, entries, tiles, checkpoints, cursors of its readers.

Sequencing runs in transactions, so it has a connection of its own (`Ledger`); readers take a `HeldConnection`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.scan.storage.connection import HeldConnection
from voketag_kernel.tiles import Coordinates, Tile

# The body of an entry, byte for byte as `voketag_kernel.ledger.body_of` makes it: PostgreSQL's send functions are the
# big-endian forms that docs/receipts.md names, and making a row's bytes here costs a tenth of making them in Python.
_BODY = """
uuid_send(event.verification_id) || int8send(event.unit_id) || uuid_send(event.batch_id) || uuid_send(event.product_id)
|| uuid_send(event.tenant_id) || timestamptz_send(event.scanned_at) || int2send(event.verdict)
|| int2send(event.risk_score) || boolsend(event.degraded) || boolsend(event.duplicate)
|| int2send(octet_length(array_to_string(event.risk_factors, ','))::int2)
|| textsend(array_to_string(event.risk_factors, ','))
|| int2send(octet_length(event.country)::int2) || textsend(event.country)
|| int2send(octet_length(event.cell)::int2) || textsend(event.cell)
|| int2send(length(event.device_hash)::int2) || event.device_hash
|| int2send(length(event.address_hash)::int2) || event.address_hash
"""

_LOCK_STATE = "SELECT size, last_hash, xact_cursor::text AS xact_cursor FROM scan.ledger_state FOR UPDATE"

# In the order of their transactions, and only of those that are over for good: a commit that is still to come cannot
# end up behind the cursor. An event that is an entry already (the cursor stands on its transaction, or the database was
# restored) is left out, so that every event is one entry whatever the cursor says.
_NEW = f"""
SELECT event.verification_id, event.scanned_at, event.xact_id::text AS xact_id, {_BODY} AS body
FROM scan.scan_events AS event
WHERE event.xact_id >= $1::text::xid8 AND event.xact_id < pg_snapshot_xmin(pg_current_snapshot())
  AND NOT EXISTS (SELECT FROM scan.ledger_entries AS entry WHERE entry.verification_id = event.verification_id)
ORDER BY event.xact_id, event.verification_id
LIMIT $2
"""  # noqa: S608 - a constant
_SAVE_STATE = "UPDATE scan.ledger_state SET size = $1, last_hash = $2, xact_cursor = $3::text::xid8"
_SAVE_TILES = """
INSERT INTO scan.ledger_tiles (level, tile_index, hashes)
SELECT * FROM unnest($1::smallint[], $2::bigint[], $3::bytea[])
ON CONFLICT (level, tile_index) DO UPDATE SET hashes = excluded.hashes
"""
# Never before the one before it, whatever the clock of the process says that signs.
_SAVE_CHECKPOINT = """
INSERT INTO scan.ledger_checkpoints (size, root, note, signed_at)
SELECT $1, $2, $3, greatest($4, (SELECT signed_at FROM scan.ledger_checkpoints ORDER BY size DESC LIMIT 1))
"""
# LIMIT makes it a look-up by key for each wanted tile; a plain join may be planned as a scan of the whole table.
_TILES = """
SELECT tile.level, tile.tile_index, tile.hashes
FROM unnest($1::smallint[], $2::bigint[]) AS wanted (level, tile_index)
CROSS JOIN LATERAL (
    SELECT level, tile_index, hashes FROM scan.ledger_tiles
    WHERE level = wanted.level AND tile_index = wanted.tile_index
    LIMIT 1
) tile
"""
_NEWEST_CHECKPOINT = "SELECT size, root, note, signed_at FROM scan.ledger_checkpoints ORDER BY size DESC LIMIT 1"
_PLACE = "SELECT entry_index FROM scan.ledger_entries WHERE verification_id = $1"
_BODIES = f"""
SELECT entry.entry_index, entry.verification_id, entry.scanned_at, {_BODY} AS body
FROM scan.ledger_entries AS entry
LEFT JOIN scan.scan_events AS event USING (verification_id, scanned_at)
WHERE entry.entry_index >= $1 AND entry.entry_index < $2
ORDER BY entry.entry_index
"""  # noqa: S608 - a constant
_TO_ANCHOR = """
SELECT size, root, note, signed_at FROM scan.ledger_checkpoints
WHERE size > coalesce((SELECT max(size) FROM scan.ledger_checkpoints WHERE anchor_id IS NOT NULL), 0)
ORDER BY size DESC LIMIT 1
"""
_LAST_ANCHORED = """
SELECT size, root, note, signed_at FROM scan.ledger_checkpoints WHERE anchor_id IS NOT NULL ORDER BY size DESC LIMIT 1
"""
_ANCHORED = "UPDATE scan.ledger_checkpoints SET anchor_id = $2 WHERE size = $1"
_SIZE = "SELECT size FROM scan.ledger_state"
_CHECKPOINTS = "SELECT size, root, note, signed_at FROM scan.ledger_checkpoints ORDER BY size"
_ANCHORED_CHECKPOINTS = """
SELECT size, root, note, signed_at FROM scan.ledger_checkpoints WHERE anchor_id IS NOT NULL ORDER BY size
"""
_STRAY = """
SELECT event.verification_id FROM scan.scan_events AS event, scan.ledger_state AS state
WHERE event.xact_id < state.xact_cursor
  AND NOT EXISTS (SELECT FROM scan.ledger_entries AS entry WHERE entry.verification_id = event.verification_id)
LIMIT 1
"""
_FORGET = """
DELETE FROM scan.ledger_checkpoints
WHERE signed_at < $1 AND anchor_id IS NULL AND size < (SELECT size FROM scan.ledger_state)
"""


@dataclass(frozen=True, slots=True)
class LedgerState:
    """How far the ledger is: its size, the hash of its last entry, and the transaction to look on from."""

    size: int
    last_hash: bytes
    xact_cursor: int


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that is no entry yet, with the body of its entry."""

    verification_id: UUID
    scanned_at: datetime
    xact_id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint and the signed note that says it."""

    size: int
    root: bytes
    note: str
    signed_at: datetime


class StoredBody(NamedTuple):
    """An entry as it is stored: its index in the ledger, its scan and when that was, and its body, None where the event
    is gone."""

    place: int
    scan: UUID
    scanned_at: datetime
    body: bytes | None


class Sequencing:
    """One transaction in which entries are added; it holds the ledger's state, so there is one at a time."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def state(self) -> LedgerState:
        """Return the state, and keep everybody else from changing it until the end of the transaction."""
        row = await self._connection.fetchrow(_LOCK_STATE)
        return LedgerState(size=row["size"], last_hash=row["last_hash"], xact_cursor=int(row["xact_cursor"]))

    async def new_events(self, cursor: int, limit: int) -> list[NewEvent]:
        """Return events that are no entries yet, in the order in which they become some."""
        rows = await self._connection.fetch(_NEW, str(cursor), limit)
        return [NewEvent(row[0], row[1], int(row[2]), row[3]) for row in rows]

    async def add(self, first_index: int, events: Sequence[NewEvent]) -> None:
        """Make entries of events."""
        await self._connection.copy_records_to_table(
            "ledger_entries",
            schema_name="scan",
            columns=("entry_index", "verification_id", "scanned_at"),
            records=[
                (first_index + place, event.verification_id, event.scanned_at) for place, event in enumerate(events)
            ],
        )

    async def save(self, state: LedgerState, tiles: Sequence[Tile], checkpoint: StoredCheckpoint) -> None:
        """Store the tree's right edge, the signed checkpoint, and how far the ledger is."""
        await self._connection.execute(
            _SAVE_TILES, [t.level for t in tiles], [t.index for t in tiles], [t.hashes for t in tiles]
        )
        await self._connection.execute(
            _SAVE_CHECKPOINT, checkpoint.size, checkpoint.root, checkpoint.note, checkpoint.signed_at
        )
        await self._connection.execute(_SAVE_STATE, state.size, state.last_hash, str(state.xact_cursor))

    async def tiles(self, wanted: Collection[Coordinates]) -> Mapping[Coordinates, bytes]:
        """Return tiles by level and index."""
        rows = await self._connection.fetch(_TILES, [level for level, _ in wanted], [index for _, index in wanted])
        return {(row["level"], row["tile_index"]): row["hashes"] for row in rows}


class SequencingTransaction:
    """`async with SequencingTransaction(connection) as sequencing:` commits at the end, or undoes everything."""

    def __init__(self, connection: "asyncpg.Connection") -> None:
        self._connection = connection
        self._transaction = connection.transaction()  # type: ignore[no-untyped-call]

    async def __aenter__(self) -> Sequencing:
        """Begin."""
        await self._transaction.__aenter__()
        return Sequencing(self._connection)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or roll back."""
        await self._transaction.__aexit__(kind, error, trace)


async def tiles(connection: HeldConnection, wanted: Collection[Coordinates]) -> Mapping[Coordinates, bytes]:
    """Return tiles by level and index."""
    rows = await connection.fetch(_TILES, [level for level, _ in wanted], [index for _, index in wanted])
    return {(row["level"], row["tile_index"]): row["hashes"] for row in rows}


async def newest_checkpoint(connection: HeldConnection) -> StoredCheckpoint | None:
    """Return the newest checkpoint, None before the first scan."""
    return _checkpoint(await connection.fetch(_NEWEST_CHECKPOINT))


async def place_of(connection: HeldConnection, verification_id: UUID) -> int | None:
    """Return the index of a scan's entry, None when it has none."""
    rows = await connection.fetch(_PLACE, verification_id)
    return rows[0]["entry_index"] if rows else None


async def bodies(connection: HeldConnection, first: int, end: int) -> list[StoredBody]:
    """Return the entries of a range, in order."""
    rows = await connection.fetch(_BODIES, first, end)
    return [StoredBody(*row) for row in rows]


async def size(connection: HeldConnection) -> int:
    """Return how many entries there are."""
    [row] = await connection.fetch(_SIZE)
    return int(row["size"])


async def checkpoints(connection: HeldConnection) -> list[StoredCheckpoint]:
    """Return all that are kept, smallest first."""
    return [_made(row) for row in await connection.fetch(_CHECKPOINTS)]


async def anchored_checkpoints(connection: HeldConnection) -> list[StoredCheckpoint]:
    """Return those that are with Anchor, smallest first."""
    return [_made(row) for row in await connection.fetch(_ANCHORED_CHECKPOINTS)]


async def stray_event(connection: HeldConnection) -> UUID | None:
    """Return an event that should be an entry and is none: one of a transaction before the last one that was taken."""
    rows = await connection.fetch(_STRAY)
    return rows[0]["verification_id"] if rows else None


async def checkpoint_to_anchor(connection: HeldConnection) -> StoredCheckpoint | None:
    """Return the newest checkpoint, unless it or none newer is with Anchor."""
    return _checkpoint(await connection.fetch(_TO_ANCHOR))


async def last_anchored(connection: HeldConnection) -> StoredCheckpoint | None:
    """Return the newest checkpoint that is with Anchor."""
    return _checkpoint(await connection.fetch(_LAST_ANCHORED))


async def mark_anchored(connection: HeldConnection, size: int, anchor_id: UUID) -> None:
    """Note that Anchor has a checkpoint's root."""
    await connection.fetch(_ANCHORED, size, anchor_id)


async def forget_checkpoints_before(connection: HeldConnection, moment: datetime) -> None:
    """Delete checkpoints that are older, except for the newest and for those that are anchored."""
    await connection.fetch(_FORGET, moment)


def _checkpoint(rows: Sequence[Any]) -> StoredCheckpoint | None:
    return _made(rows[0]) if rows else None


def _made(row: Any) -> StoredCheckpoint:
    return StoredCheckpoint(size=row["size"], root=row["root"], note=row["note"], signed_at=row["signed_at"])
