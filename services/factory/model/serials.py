"""Serial numbers of units that are ordered by quantity.

A serial is 16 characters in Crockford's base 32: the last 60 bits of the batch's id, which are random, then the
unit's index in 4 digits. It follows from batch and index alone, so that a retry gives the same serials; it is unique
in a tenant as batch ids are; its letters are not mistaken for digits, and it fits GS1 AI(21) (at most 20 characters
of set 82). Its width is fixed, so that a chunk of rows is one array. Alternative considered: the unit's number. It is
shorter, and tells everyone how many units the whole key has made, which is what the code's seal hides.
"""

from typing import Final
from uuid import UUID

DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PREFIX_LENGTH: Final = 12
INDEX_LENGTH: Final = 4
SERIAL_LENGTH: Final = PREFIX_LENGTH + INDEX_LENGTH


def serial_prefix(batch_id: UUID) -> str:
    """Return the 12 characters that the serials of a batch share."""
    return _base32(batch_id.int, PREFIX_LENGTH)


def serial_of(prefix: str, index: int) -> str:
    """Return the serial of the unit at `index` (0..1,048,575)."""
    return prefix + _base32(index, INDEX_LENGTH)


def _base32(value: int, length: int) -> str:
    """Return the lowest `length` base-32 digits of a value."""
    return "".join(DIGITS[value >> 5 * place & 31] for place in reversed(range(length)))
