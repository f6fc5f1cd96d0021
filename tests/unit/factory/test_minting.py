"""Chunks: rows as PostgreSQL reads them, leaves and tile roots, by whatever derivation."""

import struct
from uuid import UUID

import pytest

from services.factory import derivation
from services.factory.derivation import REFERENCE
from services.factory.minting import mint_chunk
from services.factory.model.issuing import ChunkOrder
from services.factory.model.serials import serial_of
from voketag_kernel import rfc6962
from voketag_kernel.codes import UnitCodeKey
from voketag_kernel.receipts import unit_leaf_data

KEY = UnitCodeKey(1, bytes(range(32)))
BATCH = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
FACTS = bytes(range(32))


def order(count: int, serials: list[bytes] | None = None) -> ChunkOrder:
    return ChunkOrder(
        batch_id=BATCH,
        key_id=1,
        first_number=1000,
        serial_prefix="ABCDEFGHJKMN",
        facts_hash=FACTS,
        start=256,
        count=count,
        serials=serials,
    )


def copy_stream(serials: list[bytes]) -> bytes:
    """The binary COPY format, field by field."""
    rows = b"".join(
        struct.pack(">hiqi", 3, 8, (1 << 40) + 1256 + index, 16) + BATCH.bytes + struct.pack(">i", len(serial)) + serial
        for index, serial in enumerate(serials)
    )
    return b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0) + rows + struct.pack(">h", -1)


def leaves(serials: list[bytes]) -> list[bytes]:
    found = []
    for index, serial in enumerate(serials):
        minted = KEY.mint(1256 + index)
        data = unit_leaf_data(salt=minted.salt, raw_code=minted.raw, facts_hash=FACTS, serial=serial.decode())
        found.append(rfc6962.leaf_hash(data))
    return found


@pytest.fixture(scope="module", params=["reference", "fastest"])
def way(request: pytest.FixtureRequest) -> derivation.Derivation:
    return REFERENCE if request.param == "reference" else derivation.load().derivation


@pytest.mark.parametrize(
    "serials",
    [
        None,
        [b"SAME-%03d" % index for index in range(300)],
        ["é" * (index % 65) + "x" for index in range(300)],
    ],
    ids=["generated", "of one length", "of many lengths"],
)
def test_a_chunk_has_its_rows_leaves_and_tile_roots(way: derivation.Derivation, serials: list | None) -> None:
    given = None if serials is None else [s.encode() if isinstance(s, str) else s for s in serials]
    chunk = mint_chunk(KEY, order(300, given), way)
    expected = given or [serial_of("ABCDEFGHJKMN", 256 + index).encode() for index in range(300)]
    assert chunk.rows == copy_stream(expected)
    assert chunk.leaf_hashes == b"".join(leaves(expected))
    assert chunk.tile_roots == rfc6962.root(leaves(expected)[:256])
    assert (chunk.start, chunk.count, chunk.made_by) == (256, 300, way.name)
