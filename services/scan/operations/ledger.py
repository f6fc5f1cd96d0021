"""Reading the ledger: checkpoints, proofs and tiles, for anyone who does not want to believe us."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from services.common.errors import EntryNotFound, InvalidArgument, ResourceNotFound, Unavailable
from services.scan.storage import ledger as storage
from services.scan.storage.connection import HeldConnection
from services.scan.storage.ledger import StoredCheckpoint
from voketag_kernel import tiles
from voketag_kernel.ledger import NO_ENTRY, entry_of
from voketag_kernel.rfc6962 import HASH_LENGTH
from voketag_kernel.tiles import TILE_HEIGHT, TILE_WIDTH, Coordinates
from voketag_kernel.tlog import LogProof, MalformedLog, Resource, bundle

_IMMUTABLE = "public, max-age=31536000, immutable"
_FRESH = "no-cache"


@dataclass(frozen=True, slots=True)
class LogFile:
    """A file of the log: what it is, what is in it, and how long it may be kept."""

    content_type: str
    data: bytes
    cache_control: str


@dataclass(frozen=True, slots=True)
class Consistency:
    """That the tree of `old_size` leaves is a prefix of the one of `size`."""

    old_size: int
    size: int
    old_root: bytes
    root: bytes
    path: tuple[bytes, ...]


class Ledger:
    """The ledger as the public reads it."""

    def __init__(self, *, connection: HeldConnection) -> None:
        self._connection = connection

    async def checkpoint(self) -> LogFile:
        """Return the newest checkpoint; Unavailable before the first one is signed."""
        newest = await self._newest()
        return LogFile("text/plain; charset=utf-8", newest.note.encode(), _FRESH)

    async def proof(self, verification_id: UUID) -> LogFile:
        """Return the proof that a scan is an entry, against the newest checkpoint; EntryNotFound."""
        index = await storage.place_of(self._connection, verification_id)
        newest = await self._newest()
        if index is None or index >= newest.size:
            raise EntryNotFound
        [entry] = await self._entries(index, 1)
        stored = await storage.tiles(self._connection, tiles.tiles_of_inclusion(index, newest.size))
        path = tuple(tiles.inclusion_path(index, newest.size, stored))
        proof = LogProof(entry=entry, index=index, path=path, checkpoint=newest.note)
        return LogFile("text/plain; charset=utf-8", str(proof).encode(), _FRESH)

    async def consistency(self, old_size: int, size: int) -> Consistency:
        """Return the proof between two sizes; InvalidArgument for sizes that the log never had. 0 is the newest one."""
        newest = await self._newest()
        size = size or newest.size
        if not 0 < old_size <= size <= newest.size:
            raise InvalidArgument.of("to", f"give 0 < from <= to <= {newest.size}")
        wanted = tiles.tiles_of_consistency(old_size, size) | tiles.tiles_of_root(old_size) | tiles.tiles_of_root(size)
        stored = await storage.tiles(self._connection, wanted)
        return Consistency(
            old_size=old_size,
            size=size,
            old_root=tiles.root(old_size, stored),
            root=tiles.root(size, stored),
            path=tuple(tiles.consistency_path(old_size, size, stored)),
        )

    async def tile(self, level: int, index: int, width: int) -> LogFile:
        """Return a tile; ResourceNotFound when the log is not so long yet. A width of 0 is a full one."""
        return await self._resource(Resource(level=level, index=index, width=width or TILE_WIDTH))

    async def file(self, path: str) -> LogFile:
        """Return what a path of C2SP tlog-tiles names; ResourceNotFound for any other."""
        if path == "checkpoint":
            return await self.checkpoint()
        try:
            return await self._resource(Resource.parse(path))
        except MalformedLog as error:
            raise ResourceNotFound from error

    async def _resource(self, wanted: Resource) -> LogFile:
        newest = await self._newest()
        level = wanted.level or 0
        there = (newest.size >> (TILE_HEIGHT * level)) - wanted.index * TILE_WIDTH
        if there < wanted.width or wanted.width > TILE_WIDTH:
            raise ResourceNotFound
        if wanted.level is None:
            try:
                data = bundle(await self._entries(wanted.index * TILE_WIDTH, wanted.width))
            except EntryNotFound as error:
                raise ResourceNotFound from error
        else:
            stored = await storage.tiles(self._connection, [(level, wanted.index)])
            data = stored[level, wanted.index][: wanted.width * HASH_LENGTH]
        return LogFile("application/octet-stream", data, _IMMUTABLE)

    async def _entries(self, first: int, count: int) -> list[bytes]:
        """Return entries as they were hashed, made again from the events; each begins with the hash before it."""
        spots = {(0, index // TILE_WIDTH) for index in (first - 1, first + count - 2) if index >= 0}
        found, hashes = await asyncio.gather(
            storage.bodies(self._connection, first, first + count), storage.tiles(self._connection, spots)
        )
        entries = []
        for each in found:
            if each.body is None:  # past its retention; whether it should be, the verifier of the whole ledger tells
                raise EntryNotFound
            before = _leaf(each.place - 1, hashes) if each.place else NO_ENTRY
            entries.append(entry_of(each.place, before, each.body))
        return entries

    async def _newest(self) -> StoredCheckpoint:
        newest = await storage.newest_checkpoint(self._connection)
        if newest is None:
            raise Unavailable("the ledger has no checkpoint yet; it gets its first one with the first scan")
        return newest


def _leaf(index: int, stored: Mapping[Coordinates, bytes]) -> bytes:
    at = index % TILE_WIDTH * HASH_LENGTH
    return stored[0, index // TILE_WIDTH][at : at + HASH_LENGTH]
