"""Hash tiles of batch trees. A batch's tiles are written once, with its units, and read a few at a time."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Integer, LargeBinary, SmallInteger, bindparam, text

from services.common.database import Transaction
from voketag_kernel.tiles import Coordinates, Tile

_ADD = text(
    """
    INSERT INTO factory.batch_tiles (batch_id, level, tile_index, hashes)
    SELECT :batch_id, level, tile_index, hashes
    FROM unnest(:levels, :indexes, :hashes) AS tile (level, tile_index, hashes)
    """
).bindparams(
    bindparam("levels", type_=ARRAY(SmallInteger)),
    bindparam("indexes", type_=ARRAY(Integer)),
    bindparam("hashes", type_=ARRAY(LargeBinary)),
)
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
        await tx.connection.execute(
            _ADD,
            {
                "batch_id": batch_id,
                "levels": [tile.level for tile in tiles],
                "indexes": [tile.index for tile in tiles],
                "hashes": [tile.hashes for tile in tiles],
            },
        )


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
