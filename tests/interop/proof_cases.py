"""The cases of proofs from the ledger: good ones, and each way to be none."""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.interop.case import BROKEN, CONSISTENT, LARGEST, MALFORMED
from voketag_kernel.ledger import NO_ENTRY, ScanEntry, body_of, entry_of, hash_of
from voketag_kernel.notes import VerifierKey
from voketag_kernel.rfc6962 import inclusion_path, node_hash, root
from voketag_kernel.tlog import Checkpoint, LogProof

ORIGIN = "verify.example.com/ledger"
SIGNATURE, PATH = "signature", "path"
YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Signer:
    """A log's key, or a witness's."""

    name: str
    private: Ed25519PrivateKey

    @classmethod
    def of(cls, name: str, seed: str) -> "Signer":
        """Make the same key from the same seed."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(sha256(seed.encode()).digest()))

    @property
    def key(self) -> VerifierKey:
        """What its signatures are checked with."""
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())

    def line(self, text: str, *, cut: int = 64) -> str:
        """Return a signature line over a text."""
        return f"\u2014 {self.name} {b64(self.key.key_hash + self.private.sign(text.encode())[:cut])}\n"


@dataclass(frozen=True, slots=True)
class ProofCase:
    """One proof and the key to check it with. `link` is set for BROKEN, what it proves for CONSISTENT."""

    name: str
    document: bytes
    outcome: str
    key: str
    link: str | None = None
    proven: dict[str, Any] | None = None


LOG = Signer.of(ORIGIN, "log")
STRANGER = Signer.of(ORIGIN, "stranger")
WITNESS = Signer.of("witness.example", "witness")
SCANS = [
    ScanEntry(
        verification_id=UUID(int=0x0190A7C0_0000_7000_8000_000000000100 + number),
        unit_id=(1 << 40) + number,
        batch_id=UUID(int=0x0190A7C0_0000_7000_8000_000000000001),
        product_id=UUID(int=0x0190A7C0_0000_7000_8000_000000000002),
        tenant_id=UUID(int=0x0190A7C0_0000_7000_8000_000000000003),
        scanned_at=datetime(2026, 1, 2, 3, 4, 5, 678_901 + number, tzinfo=UTC),
        verdict=1 + number,
        risk_score=20 * number,
        degraded=number == 1,
        duplicate=number == 2,
        risk_factors=("rapid_scans", "high_frequency")[: number % 3],
        country="BR" if number % 2 else "",
        cell="-24-047" if number % 2 else "",
        device_hash=bytes([number]) * 16,
        address_hash=bytes([255 - number]) * 16,
    )
    for number in range(5)
]


def b64(raw: bytes) -> str:
    """Return base64 with padding."""
    return b64encode(raw).decode()


def entries_of(scans: Sequence[ScanEntry]) -> list[bytes]:
    """Return the chained entries of a whole log."""
    entries: list[bytes] = []
    for number, scan in enumerate(scans):
        entries.append(entry_of(number, hash_of(entries[-1]) if entries else NO_ENTRY, body_of(scan)))
    return entries


ENTRIES = entries_of(SCANS)


def signed(text: str, *signers: Signer) -> str:
    """Return the note of a text, signed by these, the log for none."""
    return f"{text}\n" + "".join(signer.line(text) for signer in signers or (LOG,))


def proof_of(
    index: int, entries: Sequence[bytes] = ENTRIES, *, note: Callable[[str], str] = signed, at: int | None = None
) -> LogProof:
    """Return the proof of an entry; `note` makes the note of the checkpoint, `at` is the place to claim instead."""
    leaves = [hash_of(entry) for entry in entries]
    checkpoint = Checkpoint(ORIGIN, len(leaves), root(leaves))
    path = tuple(inclusion_path(index, leaves))
    return LogProof(entries[index], index if at is None else at, path, note(str(checkpoint)))


def proven_of(scan: ScanEntry, index: int, leaf: bytes, size: int, tree: bytes) -> dict[str, Any]:
    """Return what a good proof proves, in the words of the vectors."""
    return {
        "index": index,
        "leaf": leaf.hex(),
        "size": size,
        "root": tree.hex(),
        "scan": {
            **{name: str(getattr(scan, name)) for name in ("verification_id", "batch_id", "product_id", "tenant_id")},
            **{name: getattr(scan, name) for name in ("unit_id", "verdict", "risk_score", "degraded", "duplicate")},
            "scanned_at": (scan.scanned_at - YEAR_2000) // timedelta(microseconds=1),
            "risk_factors": list(scan.risk_factors),
            "country": scan.country,
            "cell": scan.cell,
            "device_hash": scan.device_hash.hex(),
            "address_hash": scan.address_hash.hex(),
        },
    }


def cases() -> Iterator[ProofCase]:
    """Return all cases."""
    yield from _good()
    yield from _unsigned()
    yield from _elsewhere()
    yield from _misshapen()
    yield from _misshapen_though_signed()


def _good() -> Iterator[ProofCase]:
    def good(name: str, proof: LogProof, scans: Sequence[ScanEntry] = SCANS) -> ProofCase:
        leaves = [hash_of(entry) for entry in entries_of(scans)]
        proven = proven_of(scans[proof.index], proof.index, leaves[proof.index], len(leaves), root(leaves))
        return ProofCase(name, str(proof).encode(), CONSISTENT, str(LOG.key), proven=proven)

    for index in range(len(SCANS)):
        yield good(f"entry {index} of {len(SCANS)}", proof_of(index))
    yield good("the only entry", proof_of(0, ENTRIES[:1]), SCANS[:1])
    yield good("a checkpoint with another line", proof_of(3, note=lambda text: signed(text + "an extension\n")))
    witnessed = proof_of(3, note=lambda text: signed(text, WITNESS, LOG, STRANGER))
    yield good("signatures of unknown keys, one with the log's name, beside the log's", witnessed)
    twice = proof_of(3, note=lambda text: signed(text) + LOG.line(text[1:]))
    yield good("a second signature of the log that does not hold", twice)
    yield _deep()


def _deep() -> ProofCase:
    """The last entry of the largest log: every hash of its path stands to the left."""
    index, scan = LARGEST - 1, SCANS[2]
    entry = entry_of(index, hash_of(b"before"), body_of(scan))
    tree, path = hash_of(entry), []
    for height in range(index.bit_count()):
        path.append(hash_of(bytes([height])))
        tree = node_hash(path[-1], tree)
    proof = LogProof(entry, index, tuple(path), signed(str(Checkpoint(ORIGIN, LARGEST, tree))))
    proven = proven_of(scan, index, hash_of(entry), LARGEST, tree)
    return ProofCase("the last entry of the largest log", str(proof).encode(), CONSISTENT, str(LOG.key), proven=proven)


def _unsigned() -> Iterator[ProofCase]:
    def case(name: str, proof: LogProof, key: Signer = LOG) -> ProofCase:
        return ProofCase(name, str(proof).encode(), BROKEN, str(key.key), SIGNATURE)

    good = proof_of(3)
    text, _, line = good.checkpoint.partition("\n\n")
    yield case("the key of another log of the same name", good, STRANGER)
    yield case("a witness's key", good, WITNESS)
    yield case("signed by another key of the same name", proof_of(3, note=lambda text: signed(text, STRANGER)))
    yield case("signed by a witness alone", proof_of(3, note=lambda text: signed(text, WITNESS)))
    larger = text.replace("\n5\n", "\n6\n") + "\n\n" + line
    yield case("another size than the one that was signed", replace(good, checkpoint=larger))
    longer = text + "\nan extension\n\n" + line
    yield case("a line more than what was signed", replace(good, checkpoint=longer))
    yield case("a signature cut short", proof_of(3, note=lambda text: text + "\n" + LOG.line(text, cut=63)))
    first = proof_of(3, note=lambda text: text + "\n" + LOG.line(text[1:]) + LOG.line(text))
    yield case("a signature that does not hold before one that does", first)
    other = proof_of(3, note=lambda text: signed(text.replace(ORIGIN, "verify.example.com/other")))
    yield case("a checkpoint of another log, signed by this one's key", other)


def _elsewhere() -> Iterator[ProofCase]:
    def case(name: str, proof: LogProof) -> ProofCase:
        return ProofCase(name, str(proof).encode(), BROKEN, str(LOG.key), PATH)

    good = proof_of(3)
    yield case("another index", replace(good, index=2))
    yield case("an index beyond the log", replace(good, index=5))
    yield case("the largest index", replace(good, index=LARGEST))
    yield case("another entry", replace(good, entry=ENTRIES[2]))
    yield case("an entry that was changed", replace(good, entry=good.entry[:-1] + b"\0"))
    yield case("no entry", replace(good, entry=b""))
    yield case("no path", replace(good, path=()))
    yield case("a path too short", replace(good, path=good.path[:-1]))
    yield case("a path too long", replace(good, path=(*good.path, good.path[0])))
    yield case("a path in another order", replace(good, path=good.path[::-1]))
    yield case("an empty log", replace(good, checkpoint=signed(str(Checkpoint(ORIGIN, 0, root([]))))))
    moved = [ENTRIES[0], ENTRIES[2], *ENTRIES[1:2], *ENTRIES[3:]]
    yield case("an entry that names another place than the one that it has", proof_of(1, moved))


def _misshapen() -> Iterator[ProofCase]:
    def case(name: str, document: str | bytes, key: str = str(LOG.key)) -> ProofCase:
        raw = document.encode() if isinstance(document, str) else document
        return ProofCase(name, raw, MALFORMED, key)

    good = str(proof_of(3))
    header, extra, index, *path = good.partition("\n\n")[0].split("\n")
    checkpoint = proof_of(3).checkpoint
    text, _, line = checkpoint.partition("\n\n")

    def file(*lines: str, note: str = checkpoint) -> str:
        return "\n".join(lines) + "\n\n" + note

    yield case("nothing", "")
    yield case("a receipt", '{"format": "voketag-receipt/v1"}')
    yield case("a byte order mark", "\ufeff" + good)
    yield case("bytes that are no UTF-8", good.encode().replace(b"verify", b"veri\xff"))
    yield case("lines that end as in DOS", good.replace("\n", "\r\n"))
    yield case("one line that ends as in DOS", file(header, extra, index, path[0] + "\r", *path[1:]))
    yield case("another version", file(header.replace("v1", "v2"), extra, index, *path))
    yield case("a space after the header", file(header + " ", extra, index, *path))
    yield case("no extra", file(header, index, *path))
    yield case("no index", file(header, extra, *path))
    yield case("index before extra", file(header, index, extra, *path))
    yield case("two spaces after extra", file(header, extra.replace(" ", "  "), index, *path))
    yield case("names in capitals", file(header, extra.replace("extra", "Extra"), index, *path))
    for wrong in ("03", "+3", "-3", "3 ", "3.0", "0x3", "\u0663", "", str(LARGEST + 1), str(1 << 64)):
        yield case(f"the index {wrong!r}", file(header, extra, f"index {wrong}", *path))
    for name, wrong in {
        "a hash of 31 bytes": b64(bytes(31)),
        "a hash of 33 bytes": b64(bytes(33)),
        "a hash with bits beyond its last byte": path[0][:-2] + chr(ord(path[0][-2]) + 1) + "=",
        "a hash without padding": path[0].rstrip("="),
        "a hash with more padding": path[0] + "=",
        "a hash in base64url": b64(b"\xff" * 32).replace("/", "_"),
        "a hash with a space": " " + path[0],
        "a hash in hex": "00" * 32,
    }.items():
        yield case(name, file(header, extra, index, wrong, *path[1:]))
    yield case("extra with bits beyond its last byte", file(header, "extra AB==", index, *path))
    yield case("no checkpoint", file(header, extra, index, *path, note=""))
    yield case("no empty line before the checkpoint", good.replace("\n\n", "\n", 1))
    yield case("no signature", file(header, extra, index, *path, note=text + "\n\n"))
    yield case("no empty line before the signature", file(header, extra, index, *path, note=text + "\n" + line))
    yield case("no newline at the end", good.removesuffix("\n"))
    yield case("an empty line at the end", good + "\n")
    yield case("a hyphen instead of the dash", good.replace("\u2014", "-"))
    yield case("a signature line without a name", good.replace(f"\u2014 {ORIGIN}", "\u2014"))
    yield case(
        "a signature of no bytes", file(header, extra, index, *path, note=f"{text}\n\n\u2014 {ORIGIN} AAAAAA==\n")
    )
    yield case("a line that is no signature after the log's", good + "so be it\n")
    yield case("a name with a plus sign after the log's signature", good + "\u2014 a+b AAAAAAAA\n")
    yield case("a name with a space of another kind after the log's signature", good + "\u2014 a\u2003b AAAAAAAA\n")
    yield case("a tab in the checkpoint", good.replace("\n5\n", "\n5\t\n"))
    yield case("a zero byte in the checkpoint", good.replace("\n5\n", "\n5\0\n"))
    name, digest, public = str(LOG.key).split("+", 2)
    yield case("a key without its hash", good, f"{name}+{public}")
    yield case("a key with the hash of another", good, f"{name}+{'0' * 8}+{public}")
    yield case("a key with its hash in capitals", good, f"{name}+{digest.upper()}+{public}")
    yield case("a key of another kind", good, f"{name}+{digest}+{b64(bytes([2]) + LOG.key.public_key)}")
    yield case("a key with a space in its name", good, f"a {name}+{digest}+{public}")


def _misshapen_though_signed() -> Iterator[ProofCase]:
    def case(name: str, proof: LogProof) -> ProofCase:
        return ProofCase(name, str(proof).encode(), MALFORMED, str(LOG.key))

    for name, bend in {
        "a size with a zero before it": lambda text: text.replace("\n5\n", "\n05\n"),
        "a size that is no number": lambda text: text.replace("\n5\n", "\nfive\n"),
        "a size beyond the largest": lambda text: text.replace("\n5\n", f"\n{LARGEST + 1}\n"),
        "a root of 31 bytes": lambda text: "\n".join([*text.split("\n")[:2], b64(bytes(31)), ""]),
        "no root": lambda text: "\n".join([*text.split("\n")[:2], ""]),
        "an empty line among further lines": lambda text: text + "one\n\ntwo\n",
    }.items():
        yield case(f"a signed checkpoint with {name}", proof_of(3, note=lambda text, bend=bend: signed(bend(text))))  # type: ignore[misc]
    flag, country = ENTRIES[3].rindex(b"\x00\x00\x00\x00"), ENTRIES[3].rindex(b"\x00\x02BR")
    moment = len(b"voketag/scan/v1\0") + 8 + 32 + 16 + 8 + 3 * 16
    for name, entry in {
        "of another kind": b"voketag/root/v1\0" + ENTRIES[3][16:],
        "cut short": ENTRIES[3][:-1],
        "that goes on": ENTRIES[3] + b"\0",
        "of its head alone": ENTRIES[3][:56],
        "with a flag that is neither 0 nor 1": _with(ENTRIES[3], flag + 1, b"\x02"),
        "with a country that is no UTF-8": _with(ENTRIES[3], country + 2, b"\xff\xff"),
        "before the year 1": _with(ENTRIES[3], moment, (-63_082_281_600_000_001).to_bytes(8, signed=True)),
        "after the year 9999": _with(ENTRIES[3], moment, (252_455_616_000_000_000).to_bytes(8, signed=True)),
    }.items():
        yield case(f"a signed entry {name}", proof_of(3, [*ENTRIES[:3], entry, ENTRIES[4]]))


def _with(entry: bytes, at: int, value: bytes) -> bytes:
    return entry[:at] + value + entry[at + len(value) :]
