"""A tiled log's texts and paths, and the ledger's entries."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voketag_kernel import ledger, rfc6962
from voketag_kernel.tlog import Checkpoint, LogProof, MalformedLog, Resource, bundle

ROOT = bytes(range(32))
YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)


def test_a_checkpoint_is_three_lines() -> None:
    text = "example.com/log\n42\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert str(Checkpoint("example.com/log", 42, ROOT)) == text
    assert Checkpoint.parse(text) == Checkpoint.parse(text + "extension\n") == Checkpoint("example.com/log", 42, ROOT)


@pytest.mark.parametrize(
    "text", ["", "a\n1\n", "a\n01\nAAAA\n", "a\n-1\nAAAA\n", "a\n1\nAAAA\n", "\n1\n" + "A" * 43 + "=\n", "a\nx\nAAAA\n"]
)
def test_what_is_no_checkpoint_is_malformed(text: str) -> None:
    with pytest.raises(MalformedLog):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        (Resource(0, 0), "tile/0/000"),
        (Resource(1, 67, 3), "tile/1/067.p/3"),
        (Resource(0, 1234067), "tile/0/x001/x234/067"),
        (Resource(None, 1067, 255), "tile/entries/x001/067.p/255"),
    ],
)
def test_paths_are_those_of_the_specification(resource: Resource, path: str) -> None:
    assert (str(resource), Resource.parse(path)) == (path, resource)


@pytest.mark.parametrize(
    "path",
    ["", "checkpoint", "tile/0/0", "tile/64/000", "tile/00/000", "tile/0/x000/001", "tile/0/000.p/0",
     "tile/0/000.p/256", "tile/0/x001", "tile/0/001/", "tile/0/../000", "tile/entries/x1/000", "tile/0/000.p/256 "],
)  # fmt: skip
def test_other_paths_are_malformed(path: str) -> None:
    with pytest.raises(MalformedLog):
        Resource.parse(path)


def test_a_bundle_has_each_entry_after_its_length() -> None:
    assert bundle([b"abc", b""]) == b"\x00\x03abc\x00\x00"


def test_a_proof_is_a_text_that_can_be_checked() -> None:
    entries = [bytes([n]) * 3 for n in range(5)]
    leaves = [rfc6962.leaf_hash(entry) for entry in entries]
    checkpoint = Checkpoint("example.com/log", 5, rfc6962.root(leaves))
    proof = LogProof(entries[3], 3, tuple(rfc6962.inclusion_path(3, leaves)), f"{checkpoint}\nsignatures\n")
    text = str(proof)
    assert text.startswith("c2sp.org/tlog-proof@v1\nextra AwMD\nindex 3\n")
    assert LogProof.parse(text) == proof
    proof.verify(checkpoint)
    with pytest.raises(rfc6962.InvalidProof):
        replace(proof, index=2).verify(checkpoint)
    with pytest.raises(rfc6962.InvalidProof):
        replace(proof, entry=b"other").verify(checkpoint)


@pytest.mark.parametrize(
    "text",
    ["", "c2sp.org/tlog-proof@v1\n\n", "c2sp.org/tlog-proof@v1\nindex 1\n\nc",
     "c2sp.org/tlog-proof@v2\nextra AA==\nindex 1\n\nc",
     "c2sp.org/tlog-proof@v1\nextra !\nindex 1\n\nc", "c2sp.org/tlog-proof@v1\nextra AA==\nindex 1\nAA==\n\nc"],
)  # fmt: skip
def test_what_is_no_proof_is_malformed(text: str) -> None:
    with pytest.raises(MalformedLog):
        LogProof.parse(text)


SCANS = st.builds(
    ledger.ScanEntry,
    verification_id=st.uuids(),
    unit_id=st.integers(0, (1 << 56) - 1),
    batch_id=st.uuids(),
    product_id=st.uuids(),
    tenant_id=st.uuids(),
    scanned_at=st.integers(-315_360_000, 6_000_000_000).map(lambda seconds: YEAR_2000 + timedelta(seconds=seconds)),
    verdict=st.integers(1, 7),
    risk_score=st.integers(0, 100),
    degraded=st.booleans(),
    duplicate=st.booleans(),
    risk_factors=st.lists(st.sampled_from(["rapid_scans", "many_devices"]), unique=True).map(tuple),
    country=st.sampled_from(["", "BR"]),
    cell=st.sampled_from(["", "-24-047"]),
    device_hash=st.binary(min_size=16, max_size=16),
    address_hash=st.binary(min_size=16, max_size=16),
)


@given(SCANS, st.integers(0, 1 << 50), st.binary(min_size=32, max_size=32))
def test_an_entry_reads_back_as_what_was_written(scan: ledger.ScanEntry, index: int, before: bytes) -> None:
    entry = ledger.entry_of(index, before, ledger.body_of(scan))
    assert ledger.read_entry(entry) == (index, before, scan)


@given(SCANS, st.binary(max_size=20))
def test_an_entry_that_is_cut_short_or_goes_on_is_malformed(scan: ledger.ScanEntry, more: bytes) -> None:
    entry = ledger.entry_of(1, bytes(32), ledger.body_of(scan))
    for wrong in (entry[: -1 - len(more)], entry + b"x" + more, b"x" + entry, more):
        with pytest.raises(ledger.MalformedEntry):
            ledger.read_entry(wrong)


def test_an_entry_has_these_bytes() -> None:
    """Written by hand from docs/receipts.md."""
    scan = ledger.ScanEntry(
        verification_id=UUID(int=1),
        unit_id=0x10000000007,
        batch_id=UUID(int=2),
        product_id=UUID(int=3),
        tenant_id=UUID(int=4),
        scanned_at=datetime(2000, 1, 1, 0, 0, 1, tzinfo=UTC),
        verdict=2,
        risk_score=65,
        degraded=False,
        duplicate=True,
        risk_factors=("rapid_scans", "high_frequency"),
        country="BR",
        cell="-24-047",
        device_hash=b"d" * 16,
        address_hash=b"a" * 16,
    )
    by_hand = (
        b"voketag/scan/v1\0" + (9).to_bytes(8) + b"p" * 32
        + bytes(15) + b"\x01" + bytes.fromhex("0000010000000007") + bytes(15) + b"\x02" + bytes(15) + b"\x03"
        + bytes(15) + b"\x04" + (1_000_000).to_bytes(8) + b"\x00\x02" + b"\x00\x41" + b"\x00" + b"\x01"
        + b"\x00\x1arapid_scans,high_frequency" + b"\x00\x02BR" + b"\x00\x07-24-047"
        + b"\x00\x10" + b"d" * 16 + b"\x00\x10" + b"a" * 16
    )  # fmt: skip
    assert ledger.entry_of(9, b"p" * 32, ledger.body_of(scan)) == by_hand
