"""Making the units of a chunk: the part of issuing that takes the processor, pure and without I/O.

Runs in the processes of `MintingPool`, so it imports the kernel and numpy and little else: each process holds it all
once more.
"""

from typing import Final

import numpy as np

from services.factory.derivation import REFERENCE, Derivation, Serials
from services.factory.model.issuing import Chunk, ChunkOrder
from services.factory.model.serials import DIGITS, INDEX_LENGTH, SERIAL_LENGTH
from voketag_kernel.codes import UnitCodeKey, unit_id_of

# PostgreSQL's binary COPY format (https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"): a header,
# then for each row the number of its fields and each field behind its length, big-endian, and at the end -1. The serial
# comes last, so that all before it has a fixed width: a chunk is put together as arrays, with no work per row. Rows as
# Python tuples would cost more than the hashing.
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_ROW_START: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("unit_id_length", ">i4"),
        ("unit_id", ">i8"),
        ("batch_id_length", ">i4"),
        ("batch_id", "V16"),
        ("serial_length", ">i4"),
    ]
)
_DIGITS: Final = np.frombuffer(DIGITS.encode(), dtype=np.uint8)


def mint_chunk(key: UnitCodeKey, order: ChunkOrder, derivation: Derivation = REFERENCE) -> Chunk:
    """Make the units of a chunk; the same order always gives the same chunk, whatever way it is computed."""
    first_number = order.first_number + order.start
    serials = _generated(order) if order.serials is None else Serials.of(order.serials)
    leaf_hashes = derivation.leaf_hashes(key, first_number, serials, order.facts_hash)
    return Chunk(
        start=order.start,
        count=order.count,
        rows=b"".join((_HEADER, _rows(order, first_number, serials), _TRAILER)),
        leaf_hashes=leaf_hashes,
        tile_roots=derivation.tile_roots(leaf_hashes),
        made_by=derivation.name,
    )


def _rows(order: ChunkOrder, first_number: int, serials: Serials) -> bytes:
    lengths = serials.lengths
    starts = np.empty(order.count, dtype=_ROW_START)
    starts["fields"] = 3
    starts["unit_id_length"] = 8
    starts["unit_id"] = np.arange(order.count) + unit_id_of(order.key_id, first_number)
    starts["batch_id_length"] = 16
    starts["batch_id"] = np.void(order.batch_id.bytes)
    starts["serial_length"] = lengths
    table = starts.view(np.uint8).reshape(order.count, -1)
    if (lengths == lengths[0]).all():
        return np.concatenate([table, serials.text.reshape(order.count, -1)], axis=1).tobytes()
    # Rows of many widths: bytes of the starts go to their places, and those of the serials into what is left.
    width = table.shape[1]
    places = (serials.ends[:-1] + width * np.arange(order.count))[:, None] + np.arange(width)
    rows = np.empty(table.size + serials.text.size, dtype=np.uint8)
    rest = np.ones(rows.size, dtype=bool)
    rest[places] = False
    rows[places] = table
    rows[rest] = serials.text
    return rows.tobytes()


def _generated(order: ChunkOrder) -> Serials:
    """Return `model.serials.serial_of` of every index in the chunk."""
    places = 5 * np.arange(INDEX_LENGTH)[::-1]
    indexes = order.start + np.arange(order.count)
    letters = np.empty((order.count, SERIAL_LENGTH), dtype=np.uint8)
    letters[:, :-INDEX_LENGTH] = np.frombuffer(order.serial_prefix.encode(), dtype=np.uint8)
    letters[:, -INDEX_LENGTH:] = _DIGITS[indexes[:, None] >> places & 31]
    return Serials.of_one_length(letters)
