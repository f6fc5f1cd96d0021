"""Serial numbers: those that are made for units ordered by quantity, and what a partner's own may look like.

A serial names one unit of the tenant: no two units of a tenant share one, whatever their products. Alternative
considered: unique in the product, as GS1 has it (a GTIN and its serial name an item). Then a serial alone names
nothing, and whoever recalls a list of serials, or looks one up, must know each one's product first; and a file that was
sent for the wrong product would become a second set of codes for the same goods.

A serial that is made has 16 characters of Crockford's base 32: the last 60 bits of the batch's id, which are random,
then the unit's index in 4 digits. It follows from batch and index alone, so that a retry gives the same serials; it is
unique in a tenant as batch ids are; its letters are not mistaken for digits, and it fits GS1 AI(21) (at most 20
characters of set 82). Its width is fixed, so that a chunk of rows is one array. Alternative considered: the unit's
number. It is shorter, and tells everyone how many units the whole key has made, which is what the code's seal hides.
"""

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PREFIX_LENGTH: Final = 12
INDEX_LENGTH: Final = 4
SERIAL_LENGTH: Final = PREFIX_LENGTH + INDEX_LENGTH
GS1_LENGTH: Final = 20
LONGEST_SERIAL: Final = 64
GS1_CHARACTERS: Final = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
"""GS1 AI encodable character set 82 (GS1 General Specifications, figure 7.11-1)."""
_OTHER_THAN_GS1 = re.compile(f"[^{re.escape(GS1_CHARACTERS)}]")
_GENERATED = re.compile(f"[{DIGITS}]{{{SERIAL_LENGTH}}}")


def serial_prefix(batch_id: UUID) -> str:
    """Return the 12 characters that the serials of a batch share."""
    return _base32(batch_id.int, PREFIX_LENGTH)


def serial_of(prefix: str, index: int) -> str:
    """Return the serial of the unit at `index` (0..1,048,575)."""
    return prefix + _base32(index, INDEX_LENGTH)


@dataclass(frozen=True, slots=True)
class GeneratedSerial:
    """A serial that was made here says whose it is: the end of its batch's id as text, and the unit's index."""

    batch_id_end: str
    index: int


BATCH_ID_END: Final = 16
"""Characters of a batch id's text that hold its last 60 bits: `abc-0123456789ab`."""


def generated(serial: str) -> GeneratedSerial | None:
    """Return what a serial says if it has the form of one that is made here."""
    if not _GENERATED.fullmatch(serial):
        return None
    value = 0
    for letter in serial:
        value = value << 5 | DIGITS.index(letter)
    tail = f"{value >> 5 * INDEX_LENGTH:015x}"
    return GeneratedSerial(f"{tail[:3]}-{tail[3:]}", value & (1 << 5 * INDEX_LENGTH) - 1)


def fault_of_serial(serial: str, *, gs1: bool) -> str | None:
    """Return what is wrong with a partner's serial, None when nothing is."""
    longest = GS1_LENGTH if gs1 else LONGEST_SERIAL
    if not serial:
        return "a serial is missing"
    if len(serial) > longest:
        return f"a serial of {len(serial)} characters; at most {longest}" + (" where there is a GTIN" if gs1 else "")
    if gs1 and (other := _OTHER_THAN_GS1.search(serial)):
        return f"{other[0]!r} is not in the character set of GS1 AI (21), which holds where there is a GTIN"
    if not serial.isprintable():
        return "a serial has printable characters only"
    if serial != serial.strip():
        return "a serial neither begins nor ends with a space"
    return None


def _base32(value: int, length: int) -> str:
    """Return the lowest `length` base-32 digits of a value."""
    return "".join(DIGITS[value >> 5 * place & 31] for place in reversed(range(length)))
