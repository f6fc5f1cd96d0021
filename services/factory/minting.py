"""Making the units of a chunk: the part of issuing that takes the processor, pure and without I/O.

Runs in the processes of `MintingPool`, so it imports the kernel and numpy and little else: each process holds it all
once more.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.factory.model.issuing import Chunk, ChunkOrder
from services.factory.model.serials import DIGITS, INDEX_LENGTH, SERIAL_LENGTH
from voketag_kernel.codes import UnitCodeKey, unit_id_of
from voketag_kernel.tiles import FULL_TILE_LENGTH, tile_root

# PostgreSQL's binary COPY format (https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"): a header,
# then for each row the number of its fields and each field behind its length, big-endian, and at the end -1. All our
# fields have a fixed width, so that a chunk is one array and needs no work per row; rows as Python tuples would cost
# more than the hashing.
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_ROW: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("unit_id_length", ">i4"),
        ("unit_id", ">i8"),
        ("batch_id_length", ">i4"),
        ("batch_id", "V16"),
        ("serial_length", ">i4"),
        ("serial", f"S{SERIAL_LENGTH}"),
    ]
)
_DIGITS: Final = np.frombuffer(DIGITS.encode(), dtype=np.uint8)


def mint_chunk(key: UnitCodeKey, order: ChunkOrder) -> Chunk:
    """Make the units of a chunk; the same order always gives the same chunk."""
    first_number = order.first_number + order.start
    serials = _serials(order)
    rows = np.empty(order.count, dtype=_ROW)
    rows["fields"] = 3
    rows["unit_id_length"] = 8
    rows["unit_id"] = np.arange(order.count) + unit_id_of(order.key_id, first_number)
    rows["batch_id_length"] = 16
    rows["batch_id"] = np.void(order.batch_id.bytes)
    rows["serial_length"] = SERIAL_LENGTH
    rows["serial"] = serials
    leaf_hashes = key.leaf_hashes(first_number, serials.tolist(), order.facts_hash)
    return Chunk(
        start=order.start,
        count=order.count,
        rows=b"".join((_HEADER, rows.tobytes(), _TRAILER)),
        leaf_hashes=leaf_hashes,
        tile_roots=b"".join(
            tile_root(leaf_hashes[at : at + FULL_TILE_LENGTH])
            for at in range(0, len(leaf_hashes) - FULL_TILE_LENGTH + 1, FULL_TILE_LENGTH)
        ),
    )


def _serials(order: ChunkOrder) -> NDArray[np.bytes_]:
    """Return `model.batches.serial_of` of every index in the chunk."""
    places = 5 * np.arange(INDEX_LENGTH)[::-1]
    indexes = order.start + np.arange(order.count)
    letters = np.empty((order.count, SERIAL_LENGTH), dtype=np.uint8)
    letters[:, :-INDEX_LENGTH] = np.frombuffer(order.serial_prefix.encode(), dtype=np.uint8)
    letters[:, -INDEX_LENGTH:] = _DIGITS[indexes[:, None] >> places & 31]
    return letters.view(f"S{SERIAL_LENGTH}").ravel()
