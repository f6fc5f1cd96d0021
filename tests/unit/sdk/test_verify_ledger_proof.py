"""`voketag-verify` on a scan's proof from the ledger: checked with the key alone, fetched, and kept."""

from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from voketag_kernel.ledger import NO_ENTRY, ScanEntry, body_of, entry_of, hash_of
from voketag_kernel.notes import VerifierKey, sign_note
from voketag_kernel.rfc6962 import inclusion_path, root
from voketag_kernel.tlog import Checkpoint, LogProof
from voketag_sdk.verify import main

ORIGIN = "verify.example.com/ledger"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey(name=ORIGIN, public_key=PRIVATE.public_key().public_bytes_raw())
OTHER = VerifierKey(name=ORIGIN, public_key=Ed25519PrivateKey.generate().public_key().public_bytes_raw())
SCANS = [
    ScanEntry(
        verification_id=UUID(int=number),
        unit_id=number,
        batch_id=UUID(int=2),
        product_id=UUID(int=3),
        tenant_id=UUID(int=4),
        scanned_at=datetime(2026, 1, 1, 0, 0, number, tzinfo=UTC),
        verdict=1,
        risk_score=5,
        degraded=False,
        duplicate=False,
        risk_factors=(),
        country="BR",
        cell="",
        device_hash=b"d" * 16,
        address_hash=b"a" * 16,
    )
    for number in range(5)
]


def proof_of(index: int) -> str:
    entries: list[bytes] = []
    for number, scan in enumerate(SCANS):
        entries.append(entry_of(number, hash_of(entries[-1]) if entries else NO_ENTRY, body_of(scan)))
    leaves = [hash_of(entry) for entry in entries]
    checkpoint = sign_note(str(Checkpoint(ORIGIN, len(leaves), root(leaves))), key=KEY, sign=PRIVATE.sign)
    return str(LogProof(entries[index], index, tuple(inclusion_path(index, leaves)), checkpoint))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scan.tlog-proof"
    path.write_text(proof_of(3), encoding="utf-8")
    return path


def test_a_proof_is_checked_with_the_ledger_s_key_alone(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file), "--key", str(KEY)]) == 0
    shown = capsys.readouterr().out
    assert str(UUID(int=3)) in shown
    assert "IN THE LEDGER" in shown


def test_another_key_or_another_entry_proves_nothing(file: Path, tmp_path: Path) -> None:
    assert main([str(file), f"--key={OTHER}"]) == 1
    moved = tmp_path / "moved.tlog-proof"
    moved.write_text(proof_of(3).replace("index 3", "index 2"), encoding="utf-8")
    assert main([str(moved), "--key", str(KEY)]) == 1


def test_a_proof_without_the_key_says_what_it_is_and_what_it_needs(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(file)]) == 2
    assert "--key" in capsys.readouterr().out


def test_a_receipt_is_no_proof_of_the_ledger(tmp_path: Path) -> None:
    file = tmp_path / "receipt.json"
    file.write_text("{}")
    assert main([str(file), "--key", str(KEY)]) == 2


class _Platform(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path == f"/v1/ledger/entries/{UUID(int=4)}/proof"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(proof_of(4).encode() if found else b"{}")

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_a_proof_is_fetched_kept_and_checked_without_the_platform_from_then_on(tmp_path: Path) -> None:
    kept = tmp_path / "kept.tlog-proof"
    with HTTPServer(("127.0.0.1", 0), _Platform) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            fetch = ["--from", f"http://127.0.0.1:{server.server_port}", "--key", str(KEY), "--scan"]
            assert main([*fetch, str(UUID(int=4)), "--save", str(kept)]) == 0
            assert main([*fetch, str(UUID(int=9))]) == 4
        finally:
            server.shutdown()
            thread.join()
    assert kept.read_text(encoding="utf-8") == proof_of(4)
    assert main([str(kept), "--key", str(KEY)]) == 0
