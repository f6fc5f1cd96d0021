"""The sequencer: takes committed scan events into the ledger, in one order for ever.

Every round is one transaction: it locks the ledger's state, takes events that are no entries yet, chains and hashes
them, stores entries, tiles, a signed checkpoint and the new state. Killed anywhere it leaves nothing half done; two at
once wait for each other on the state's row. The advisory lock only spares the second one the waiting.

Alternatives considered: a queue table that the hot path fills (one more row a scan to write and to vacuum, and a dump
that holds its snapshot for an hour lets it grow), an identity column as the order (values are handed out before the
commit, so a late commit would end up behind the cursor, and never be seen).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from asyncpg.exceptions import PostgresError
from asyncpg.exceptions._base import InterfaceError, InternalClientError

from services.common.clock import Clock
from services.common.logs import get_logger
from services.common.repeating import first_of
from services.scan import metrics
from services.scan.ledger_key import LedgerKey
from services.scan.storage.ledger import LedgerState, Sequencing, SequencingTransaction, StoredCheckpoint
from voketag_kernel.ledger import entry_of, hash_of
from voketag_kernel.tiles import TILE_WIDTH, Tile, TileWriter, tiles_of_resume
from voketag_kernel.tlog import Checkpoint

_LOCK = 0x766F6B65_6C656467
_ROUND = 5_000
_IDLE_SECONDS = 0.4
_STANDBY_SECONDS = 2.0
_AWAY = (OSError, TimeoutError, PostgresError, InterfaceError, InternalClientError)
_log = get_logger(__name__)


class Sequencer:
    """Adds entries until it is told to stop."""

    def __init__(self, *, database_url: str, key: LedgerKey, clock: Clock) -> None:
        self._database_url = database_url
        self._key = key
        self._clock = clock
        self._writer: TileWriter | None = None
        self._round = _ROUND

    async def run(self, stop: asyncio.Event) -> None:
        """Lead, or wait for the leader's end; whatever goes away is waited for."""
        while not stop.is_set():
            try:
                async with self._leading() as connection:
                    while connection is not None and not stop.is_set():
                        if await self.add_new(connection) < self._round:
                            await first_of(stop.wait, seconds=_IDLE_SECONDS)
            except _AWAY as error:
                _log.warning("the ledger waits for the database", error=repr(error))
            except Exception:
                # Nobody else takes events into the ledger; this must outlive whatever a round runs into.
                _log.exception("a round of the ledger failed, trying again soon")
            metrics.LEDGER_LEADER.set(0)
            await first_of(stop.wait, seconds=_STANDBY_SECONDS)

    async def add_new(self, connection: "asyncpg.Connection") -> int:
        """Make one round and return how many entries it added."""
        started = time.perf_counter()
        writer, self._writer = self._writer, None  # forgotten unless the round is committed
        async with SequencingTransaction(connection) as sequencing:
            state = await sequencing.state()
            events = await sequencing.new_events(state.xact_cursor, self._round)
            if not events:
                self._writer = writer
                return 0
            if writer is None or writer.size != state.size:
                writer = await _writer_at(sequencing, state.size)
            before, hashes = state.last_hash, []
            for index, event in enumerate(events, state.size):
                before = hash_of(entry_of(index, before, event.body))
                hashes.append(before)
            full = writer.append(b"".join(hashes))
            await sequencing.add(state.size, events)
            new = LedgerState(size=writer.size, last_hash=before, xact_cursor=events[-1].xact_id)
            await sequencing.save(new, _newest(full + writer.finish()), self._sign(writer))
        self._writer = writer
        metrics.LEDGER_SIZE.set(writer.size)
        metrics.LEDGER_ROUND_SECONDS.observe(time.perf_counter() - started)
        metrics.LEDGER_DELAY.set(max(0.0, (self._clock.now() - events[0].scanned_at).total_seconds()))
        return len(events)

    def _sign(self, writer: TileWriter) -> StoredCheckpoint:
        root = writer.root()
        note = self._key.sign(Checkpoint(origin=self._key.origin, size=writer.size, root=root))
        return StoredCheckpoint(size=writer.size, root=root, note=note, signed_at=self._clock.now())

    @asynccontextmanager
    async def _leading(self) -> "AsyncIterator[asyncpg.Connection | None]":
        """Yield a connection that holds the lock, or None when another one has it."""
        connection = await asyncpg.connect(  # type: ignore[no-untyped-call]
            self._database_url,
            timeout=5,
            command_timeout=30,
            server_settings={"application_name": "voketag-scan sequencer", "synchronous_commit": "on"},
        )
        try:
            leads = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK)
            metrics.LEDGER_LEADER.set(int(leads))
            yield connection if leads else None
        finally:
            self._writer = None
            connection.terminate()  # the end of the session frees the lock


async def _writer_at(sequencing: Sequencing, size: int) -> TileWriter:
    """Return a writer that stands where the stored tree ends."""
    whole = size - size % TILE_WIDTH
    edge = (0, whole // TILE_WIDTH)
    stored = await sequencing.tiles(tiles_of_resume(whole) | ({edge} if size > whole else set()))
    writer = TileWriter.resume(whole, lambda level, index: stored[level, index])
    if size > whole:
        writer.append(stored[edge])
    return writer


def _newest(tiles: list[Tile]) -> list[Tile]:
    """Return each tile once: one that was filled and one that is partial have different places, or are the same."""
    return list({(tile.level, tile.index): tile for tile in tiles}.values())
