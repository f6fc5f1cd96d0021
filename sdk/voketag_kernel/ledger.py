"""Entries of the ledger of scans: what each covers, byte for byte (docs/receipts.md).

```
entry = "voketag/scan/v1\\0" || index(8) || hash of the entry before(32) || body
hash of an entry = SHA-256(0x00 || entry)                  its RFC 6962 leaf hash; 32 zero bytes before the first
```

So entries are chained, and are leaves of one tree: a changed, missing, added or moved entry changes every later one.
Numbers are big-endian; a text or a byte string comes after its length as 2 bytes.
"""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from voketag_kernel.rfc6962 import HASH_LENGTH, leaf_hash

PREFIX: Final = b"voketag/scan/v1\0"
NO_ENTRY: Final = bytes(HASH_LENGTH)
"""Stands for the entry before the first one."""
_HEAD: Final = struct.Struct(">Q32s")
_FIXED: Final = struct.Struct(">16sq16s16s16sqhhBB")
_YEAR_2000: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class MalformedEntry(ValueError):
    """Bytes that are no entry of this version."""


@dataclass(frozen=True, slots=True)
class ScanEntry:
    """One recorded scan. It has nothing that names a person or a device: hashes are keyed and change every day."""

    verification_id: UUID
    unit_id: int
    batch_id: UUID
    product_id: UUID
    tenant_id: UUID
    scanned_at: datetime
    verdict: int
    risk_score: int
    degraded: bool
    duplicate: bool
    risk_factors: tuple[str, ...]
    country: str
    cell: str
    device_hash: bytes
    address_hash: bytes


def entry_of(index: int, before: bytes, body: bytes) -> bytes:
    """Return an entry from its place, the hash of the entry before it, and its body."""
    return PREFIX + _HEAD.pack(index, before) + body


def body_of(scan: ScanEntry) -> bytes:
    """Return the body of a scan's entry. PostgreSQL makes the same bytes; a test holds the two together."""
    fixed = _FIXED.pack(
        scan.verification_id.bytes,
        scan.unit_id,
        scan.batch_id.bytes,
        scan.product_id.bytes,
        scan.tenant_id.bytes,
        (scan.scanned_at - _YEAR_2000) // _MICROSECOND,
        scan.verdict,
        scan.risk_score,
        scan.degraded,
        scan.duplicate,
    )
    texts = (",".join(scan.risk_factors).encode(), scan.country.encode(), scan.cell.encode())
    return fixed + b"".join(
        len(each).to_bytes(2, "big") + each for each in (*texts, scan.device_hash, scan.address_hash)
    )


def read_entry(entry: bytes) -> tuple[int, bytes, ScanEntry]:
    """Return an entry's index, the hash of the entry before it, and the scan; MalformedEntry when it is none."""
    head = len(PREFIX)
    try:
        if entry[:head] != PREFIX:
            raise MalformedEntry("not an entry of the ledger of scans, version 1")
        index, before = _HEAD.unpack_from(entry, head)
        fixed = _FIXED.unpack_from(entry, head + _HEAD.size)
        if not {fixed[8], fixed[9]} <= {0, 1}:
            raise MalformedEntry("an entry whose flags are neither 0 nor 1")
        factors, country, cell, device, address = _strings(entry, head + _HEAD.size + _FIXED.size)
        scan = ScanEntry(
            verification_id=UUID(bytes=fixed[0]),
            unit_id=fixed[1],
            batch_id=UUID(bytes=fixed[2]),
            product_id=UUID(bytes=fixed[3]),
            tenant_id=UUID(bytes=fixed[4]),
            scanned_at=_YEAR_2000 + fixed[5] * _MICROSECOND,
            verdict=fixed[6],
            risk_score=fixed[7],
            degraded=bool(fixed[8]),
            duplicate=bool(fixed[9]),
            risk_factors=tuple(filter(None, factors.decode().split(","))),
            country=country.decode(),
            cell=cell.decode(),
            device_hash=device,
            address_hash=address,
        )
    except (struct.error, OverflowError, UnicodeDecodeError) as error:
        raise MalformedEntry("an entry that is cut short or has a value out of range") from error
    return index, before, scan


def hash_of(entry: bytes) -> bytes:
    """Return the hash of an entry: its leaf in the tree, and what the next entry is chained to."""
    return leaf_hash(entry)


def _strings(entry: bytes, at: int) -> list[bytes]:
    found = []
    for _ in range(5):
        length = int.from_bytes(entry[at : at + 2], "big")
        found.append(entry[at + 2 : at + 2 + length])
        at += 2 + length
    if at != len(entry):
        raise MalformedEntry("an entry that is cut short or too long")
    return found
