"""Hash tiles of batch trees. A batch's tiles are written once, with its units, and read a few at a time."""

import struct
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Integer, SmallInteger, bindparam, text

from services.common.database import Transaction
from services.factory.copy_format import HEADER, TRAILER
from services.factory.storage.copying import copy
from voketag_kernel.tiles import Coordinates, Tile

_COLUMNS: Final = ("batch_id", "level", "tile_index", "hashes")
# A row of the binary COPY format but for the hashes themselves: the number of fields, and each behind its length.
_ROW_START: Final = struct.Struct(">hi16sihiii")
_TILES_A_PIECE: Final = 16
# LIMIT makes it a look-up by key for each wanted tile. A plain join is planned as a scan of the batch's tiles, all four
# thousand of them.
_READ = text(
    """
    SELECT tile.level, tile.tile_index, tile.hashes
    FROM unnest(:levels, :indexes) AS wanted (level, tile_index)
    CROSS JOIN LATERAL (
        SELECT level, tile_index, hashes FROM factory.batch_tiles
        WHERE batch_id = :batch_id AND level = wanted.level AND tile_index = wanted.tile_index
        LIMIT 1
    ) tile
    """
).bindparams(
    bindparam("levels", type_=ARRAY(SmallInteger)),
    bindparam("indexes", type_=ARRAY(Integer)),
)


async def add(tx: Transaction, batch_id: UUID, tiles: Sequence[Tile]) -> None:
    """Store tiles, in one statement."""
    if tiles:
        await copy(tx, "batch_tiles", _COLUMNS, lambda: _rows(batch_id, tiles))


async def read(tx: Transaction, batch_id: UUID, wanted: Collection[Coordinates]) -> Mapping[Coordinates, bytes]:
    """Return the wanted tiles of a batch, in one query."""
    found = await tx.connection.execute(
        _READ,
        {
            "batch_id": batch_id,
            "levels": [level for level, _ in wanted],
            "indexes": [index for _, index in wanted],
        },
    )
    return {(row.level, row.tile_index): row.hashes for row in found}


async def _rows(batch_id: UUID, tiles: Sequence[Tile]) -> AsyncIterator[bytes]:
    yield HEADER
    for start in range(0, len(tiles), _TILES_A_PIECE):
        yield b"".join(
            _ROW_START.pack(4, 16, batch_id.bytes, 2, tile.level, 4, tile.index, len(tile.hashes)) + tile.hashes
            for tile in tiles[start : start + _TILES_A_PIECE]
        )
    yield TRAILER
