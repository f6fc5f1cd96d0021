"""The issuing of a batch's units: who has the batch in hand, what its leaves commit to, in what pieces it is done."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.factory.model.batches import Batch
from services.factory.model.serials import serial_prefix

CHUNK_UNITS = 32_768
"""Units of one transaction: 128 whole tiles, so that a chunk's end is always a tile's edge. Larger chunks repeat more
after a crash and hold more memory; smaller ones spend their time on commits."""


SLICE_CHUNKS = 4
"""Chunks that a batch has in one turn while other tenants wait: a fraction of a second."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch in the hands of one worker. `attempts` counts claims since the batch last made progress."""

    batch: Batch
    token: UUID
    lease: timedelta
    attempts: int


@dataclass(frozen=True, slots=True)
class FactsSource:
    """What the facts of a batch say about its maker and product."""

    brand: str
    product_name: str
    sku: str
    gtin: str


@dataclass(frozen=True, slots=True)
class ChunkOrder:
    """A piece of a batch to make: `count` units from index `start` on. Small, and it crosses to another process.

    `serials` are those of the partner's choice, one a unit in UTF-8; without them, serials follow from the index.
    """

    batch_id: UUID
    key_id: int
    first_number: int
    serial_prefix: str
    facts_hash: bytes
    start: int
    count: int
    serials: Sequence[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece that is made: rows in binary COPY format, leaf hashes, and the roots of the leaves' full tiles.

    `made_by` names the way it was computed (`derivation.py`); all ways give the same piece.
    """

    start: int
    count: int
    rows: bytes
    leaf_hashes: bytes
    tile_roots: bytes
    made_by: str


def facts_of(batch: Batch, source: FactsSource) -> dict[str, str | int | None]:
    """Return the facts that the leaves of a batch commit to (contracts.md, "Receipts"); absent values are None."""
    return {
        "v": 1,
        "batch_id": str(batch.batch_id),
        "brand": source.brand,
        "product_id": str(batch.product_id),
        "product_name": source.product_name,
        "sku": source.sku,
        "gtin": source.gtin or None,
        "lot": batch.lot or None,
        "manufactured_at": batch.manufactured_at.isoformat() if batch.manufactured_at else None,
        "expires_at": batch.expires_at.isoformat() if batch.expires_at else None,
        "quantity": batch.quantity,
    }


def chunk_orders(batch: Batch, facts_hash: bytes) -> Iterator[ChunkOrder]:
    """Yield what is left of a batch, from its cursor on."""
    for start in range(batch.issued_count, batch.quantity, CHUNK_UNITS):
        yield ChunkOrder(
            batch_id=batch.batch_id,
            key_id=batch.range.key_id,
            first_number=batch.range.first_number,
            serial_prefix=serial_prefix(batch.batch_id),
            facts_hash=facts_hash,
            start=start,
            count=min(CHUNK_UNITS, batch.quantity - start),
        )
