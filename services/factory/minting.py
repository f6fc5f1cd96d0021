"""Making the units of a chunk: the part of issuing that takes the processor, pure and without I/O.

Runs in the processes of `MintingPool`, so it imports the kernel and numpy and little else: each process holds it all
once more.
"""

from typing import Final

import numpy as np

from services.factory.copy_format import HEADER, TRAILER
from services.factory.derivation import REFERENCE, Derivation, Serials
from services.factory.model.issuing import Chunk, ChunkOrder
from services.factory.model.serials import DIGITS, INDEX_LENGTH, SERIAL_LENGTH
from voketag_kernel.codes import UnitCodeKey, unit_id_of

# A row of the binary COPY format without its last field, the serial. Rows are put together as arrays, nothing is
# done row by row: as Python tuples they would cost more than the hashing.
_ROW_START: Final = [
    ("fields", ">i2"),
    ("unit_id_length", ">i4"),
    ("unit_id", ">i8"),
    ("batch_id_length", ">i4"),
    ("batch_id", "V16"),
    ("serial_length", ">i4"),
]
_DIGITS: Final = np.frombuffer(DIGITS.encode(), dtype=np.uint8)


def mint_chunk(key: UnitCodeKey, order: ChunkOrder, derivation: Derivation = REFERENCE) -> Chunk:
    """Make the units of a chunk; the same order always gives the same chunk, whatever way it is computed."""
    first_number = order.first_number + order.start
    serials = _generated(order) if order.serials is None else Serials.of(order.serials)
    leaf_hashes = derivation.leaf_hashes(key, first_number, serials, order.facts_hash)
    return Chunk(
        start=order.start,
        count=order.count,
        rows=_rows(order, first_number, serials),
        leaf_hashes=leaf_hashes,
        tile_roots=derivation.tile_roots(leaf_hashes),
        made_by=derivation.name,
    )


def _rows(order: ChunkOrder, first_number: int, serials: Serials) -> bytes:
    """Return the rows with header and trailer, laid out where they are to stand: a copy less is MiB less."""
    lengths = serials.lengths
    alike = bool((lengths == lengths[0]).all())
    layout = np.dtype([*_ROW_START, ("serial", f"V{lengths[0]}")] if alike else _ROW_START)
    made = np.empty(
        len(HEADER) + order.count * np.dtype(_ROW_START).itemsize + serials.text.size + len(TRAILER), np.uint8
    )
    made[: len(HEADER)] = np.frombuffer(HEADER, np.uint8)
    made[-len(TRAILER) :] = np.frombuffer(TRAILER, np.uint8)
    rows = made[len(HEADER) : -len(TRAILER)]
    table = rows.view(layout) if alike else np.empty(order.count, layout)
    table["fields"] = 3
    table["unit_id_length"] = 8
    table["unit_id"] = np.arange(order.count) + unit_id_of(order.key_id, first_number)
    table["batch_id_length"] = 16
    table["batch_id"] = np.void(order.batch_id.bytes)
    table["serial_length"] = lengths
    if alike:
        table["serial"] = serials.text.view(f"V{lengths[0]}")
        return made.tobytes()
    # Rows of many widths: bytes of the starts go to their places, and those of the serials into what is left.
    starts = table.view(np.uint8).reshape(order.count, -1)
    width = starts.shape[1]
    places = (serials.ends[:-1] + width * np.arange(order.count))[:, None] + np.arange(width)
    rest = np.ones(rows.size, dtype=bool)
    rest[places] = False
    rows[places] = starts
    rows[rest] = serials.text
    return made.tobytes()


def _generated(order: ChunkOrder) -> Serials:
    """Return `model.serials.serial_of` of every index in the chunk."""
    places = 5 * np.arange(INDEX_LENGTH)[::-1]
    indexes = order.start + np.arange(order.count)
    letters = np.empty((order.count, SERIAL_LENGTH), dtype=np.uint8)
    letters[:, :-INDEX_LENGTH] = np.frombuffer(order.serial_prefix.encode(), dtype=np.uint8)
    letters[:, -INDEX_LENGTH:] = _DIGITS[indexes[:, None] >> places & 31]
    return Serials.of_one_length(letters)
