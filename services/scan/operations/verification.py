"""Checking the whole ledger: every event against its entry, the chain, the tree, and the signed checkpoints.

It reads what the database says and believes none of it: hashes are made anew from the events, and must end in roots
that signatures vouch for. The first thing that is wrong is named; what follows it says nothing any more.

Events that an operator no longer keeps cannot be hashed. Where the caller says from when on events must be there, older
ones may be gone: their entries' hashes in the tree stand for them, which the signatures cover all the same.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from services.scan.ledger_key import holds
from services.scan.storage import ledger as storage
from services.scan.storage.connection import HeldConnection
from services.scan.storage.ledger import StoredBody, StoredCheckpoint
from voketag_kernel.ledger import NO_ENTRY, PREFIX
from voketag_kernel.notes import MalformedNote, NoteNotSigned, VerifierKey, open_note
from voketag_kernel.rfc6962 import HASH_LENGTH
from voketag_kernel.tiles import TILE_WIDTH, Tile, TileWriter
from voketag_kernel.tlog import Checkpoint, MalformedLog

_CHUNK = 40 * TILE_WIDTH


class LedgerIsWrong(Exception):
    """The ledger is not what was signed. `index` is the first entry that is wrong, or the size that a checkpoint names;
    `scan` is the scan that it is about, where one is known."""

    def __init__(self, index: int, problem: str, scan: UUID | None = None) -> None:
        super().__init__(f"entry {index}{f' (scan {scan})' if scan else ''}: {problem}")
        self.index = index
        self.scan = scan


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked: `entries` entries under `root`, and `checkpoints` signed states on the way; the events of
    `forgotten` entries are no longer kept."""

    entries: int
    checkpoints: int
    root: bytes
    forgotten: int


class LedgerVerifier:
    """Walks the ledger once."""

    def __init__(
        self,
        *,
        connection: HeldConnection,
        ahead: HeldConnection,
        key: VerifierKey,
        kept_from: datetime | None = None,
    ) -> None:
        """`ahead` reads the next entries while these are hashed; `key` is the published one, not the database's. Events
        of scans before `kept_from` may be gone; None means that all must be there."""
        self._connection = connection
        self._ahead = ahead
        self._key = key
        self._kept_from = kept_from
        self._forgotten = 0
        self._writer = TileWriter()
        self._before = NO_ENTRY

    async def verify(self) -> Verified:
        """Check everything that is in the ledger now; LedgerIsWrong names the first thing that is not right."""
        size = await storage.size(self._connection)
        checkpoints = await storage.checkpoints(self._connection)
        if size and (not checkpoints or checkpoints[-1].size != size):
            raise LedgerIsWrong(size - 1, "no checkpoint covers the ledger's end")
        coming = self._read(0, size)
        try:
            for start in range(0, size, _CHUNK):
                bodies = await coming
                coming = self._read(start + _CHUNK, size)
                end = min(start + _CHUNK, size)
                await self._check(start, end, bodies, [each for each in checkpoints if start < each.size <= end])
            await coming
        finally:
            coming.cancel()
        await self._check_tiles(self._writer.finish())
        if stray := await storage.stray_event(self._connection):
            raise LedgerIsWrong(size, "an event that is older than the ledger's end is no entry", stray)
        return Verified(entries=size, checkpoints=len(checkpoints), root=self._writer.root(), forgotten=self._forgotten)

    def _read(self, start: int, size: int) -> "asyncio.Task[list[StoredBody]]":
        return asyncio.create_task(storage.bodies(self._ahead, start, max(start, min(start + _CHUNK, size))))

    async def _check(
        self, start: int, end: int, bodies: Sequence[StoredBody], checkpoints: Sequence[StoredCheckpoint]
    ) -> None:
        leaves = await self._leaves(start, end)
        hashes, missing = self._chained(start, bodies, leaves)
        _compare(start, hashes, leaves, bodies)
        if missing or len(hashes) < end - start:
            raise LedgerIsWrong(start + len(hashes), missing or "the entry is missing")
        at, filled = start, list[Tile]()
        for checkpoint in [*checkpoints, None]:
            until = checkpoint.size if checkpoint else end
            filled += self._writer.append(b"".join(hashes[at - start : until - start]))
            at = until
            if checkpoint:
                self._check_signed(checkpoint)
        await self._check_tiles([tile for tile in filled if tile.level])

    async def _leaves(self, start: int, end: int) -> bytes:
        """Return the tree's leaves of a range that begins with a tile, as far as they are there."""
        spots = [(0, index) for index in range(start // TILE_WIDTH, -(-end // TILE_WIDTH))]
        stored = await storage.tiles(self._connection, spots)
        return b"".join(stored.get(spot, b"") for spot in spots)

    def _chained(self, start: int, bodies: Sequence[StoredBody], leaves: bytes) -> tuple[list[bytes], str]:
        """Return the entries' hashes, made from the events, up to the first one that cannot be made, and why not."""
        before, hashes = self._before, list[bytes]()
        for index, body in enumerate(bodies, start):
            if body.place != index:
                return hashes, "the entry is missing"
            if body.body is not None:
                # `entry_of` and `hash_of` of the kernel in one step: this is the loop that takes the time.
                before = sha256(b"\x00" + PREFIX + index.to_bytes(8, "big") + before + body.body).digest()
            elif self._may_be_gone(body) and (leaf := _leaf(leaves, index - start)):
                before = leaf
                self._forgotten += 1
            else:
                return hashes, "the entry's event is gone, or its time was changed"
            hashes.append(before)
        self._before = before
        return hashes, ""

    def _may_be_gone(self, body: StoredBody) -> bool:
        return self._kept_from is not None and body.scanned_at < self._kept_from

    def _check_signed(self, checkpoint: StoredCheckpoint) -> None:
        """Hold the root so far against a signed one."""
        try:
            signed = Checkpoint.parse(open_note(checkpoint.note, key=self._key, check=holds))
        except (MalformedNote, NoteNotSigned, MalformedLog) as error:
            raise LedgerIsWrong(checkpoint.size, f"the checkpoint of this size is not signed: {error}") from error
        if (signed.origin, signed.size) != (self._key.name, checkpoint.size):
            raise LedgerIsWrong(checkpoint.size, "the checkpoint of this size is one of another log or size")
        if signed.root != self._writer.root():
            raise LedgerIsWrong(checkpoint.size, "the entries up to here are not those that were signed")

    async def _check_tiles(self, made: Sequence[Tile]) -> None:
        """Hold tiles against the stored ones, which proofs are made from."""
        stored = await storage.tiles(self._connection, [(tile.level, tile.index) for tile in made])
        for tile in made:
            if stored.get((tile.level, tile.index)) != tile.hashes:
                first = tile.index * TILE_WIDTH ** (tile.level + 1)
                raise LedgerIsWrong(first, f"tile {tile.level}/{tile.index} is not that of the entries from here on")


def _compare(start: int, hashes: Sequence[bytes], leaves: bytes, bodies: Sequence[StoredBody]) -> None:
    """Hold the hashes against the tree's leaves: the first that differs is the first entry that was touched."""
    if leaves.startswith(b"".join(hashes)):
        return
    for place, made in enumerate(hashes):
        if _leaf(leaves, place) != made:
            raise LedgerIsWrong(start + place, "the event is not the one that was entered", bodies[place].scan)


def _leaf(leaves: bytes, place: int) -> bytes:
    return leaves[place * HASH_LENGTH : (place + 1) * HASH_LENGTH]
