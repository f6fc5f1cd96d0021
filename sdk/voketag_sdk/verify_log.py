"""`voketag-verify-log`: check that a scan is in the ledger, from a C2SP tlog-proof and the ledger's published key.

    voketag-verify-log PROOF.tlog-proof --key 'verify.example.com/ledger+12345678+AQ...'
    voketag-verify-log --from https://verify.example.com --scan VERIFICATION_ID --key ... --save PROOF.tlog-proof

`python -m voketag_sdk.verify_log` is the same. It needs no platform to check a file, and no gRPC; Ed25519 comes from
the package `cryptography` (`pip install voketag[ledger]`).
"""

import argparse
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Final

from voketag_kernel.ledger import MalformedEntry, ScanEntry, read_entry
from voketag_kernel.notes import MalformedNote, NoteNotSigned, VerifierKey, open_note
from voketag_kernel.rfc6962 import InvalidProof
from voketag_kernel.tlog import Checkpoint, LogProof, MalformedLog

MAX_PROOF_BYTES: Final = 1024 * 1024
_TIMEOUT_SECONDS: Final = 10
_VERDICTS: Final = ("", "AUTHENTIC", "WARNING", "HIGH_RISK", "RECALLED", "SUSPENDED", "BLOCKED", "EXPIRED")
_EPILOG = """\
exit codes:
  0  the scan is in the ledger that the key signed
  1  the proof proves nothing: the signature or the path does not hold
  2  this is no proof, or no such command
  4  the proof could not be fetched, which says nothing about it
"""


class Outcome(IntEnum):
    """What a check comes to; the value is the command's exit code."""

    HOLDS = 0
    PROVES_NOTHING = 1
    MALFORMED = 2
    UNREACHABLE = 4


def main(arguments: Sequence[str] | None = None, *, program: str = "voketag-verify-log") -> int:
    """Check what the command line names and return the exit code."""
    options = _options(arguments, program)
    try:
        proof = _fetched(options.source, options.scan) if options.source else _read(options.proof)
        if options.save:
            options.save.write_bytes(proof)
        checkpoint, scan = check(proof.decode(), VerifierKey.parse(options.key))
    except (MalformedLog, MalformedNote, MalformedEntry, UnicodeDecodeError) as error:
        return _say(Outcome.MALFORMED, f"MALFORMED: {error}")
    except (NoteNotSigned, InvalidProof) as error:
        return _say(Outcome.PROVES_NOTHING, f"PROVES NOTHING: {error}")
    except (urllib.error.URLError, TimeoutError) as error:
        return _say(Outcome.UNREACHABLE, f"NOT FETCHED: {error}")
    except OSError as error:
        return _say(Outcome.MALFORMED, f"NOT READ: {error}")
    return _say(Outcome.HOLDS, report(checkpoint, scan))


def check(text: str, key: VerifierKey) -> tuple[Checkpoint, ScanEntry]:
    """Return the checkpoint and the scan that a proof proves: docs/receipts.md, "Proofs from the ledger".

    MalformedLog, MalformedNote or MalformedEntry for what is no proof; NoteNotSigned or InvalidProof for one that
    proves nothing.
    """
    if len(text) > MAX_PROOF_BYTES:
        raise MalformedLog(f"a proof has no more than {MAX_PROOF_BYTES} characters")
    proof = LogProof.parse(text)
    checkpoint = Checkpoint.parse(open_note(proof.checkpoint, key=key, check=_holds))
    if checkpoint.origin != key.name:
        raise NoteNotSigned(f"the checkpoint is of another log than {key.name}")
    proof.verify(checkpoint)
    index, _, scan = read_entry(proof.entry)
    if index != proof.index:
        raise InvalidProof("the entry names another place than the proof")
    return checkpoint, scan


def report(checkpoint: Checkpoint, scan: ScanEntry) -> str:
    """Return what was proven, for people."""
    verdict = _VERDICTS[scan.verdict] if 0 < scan.verdict < len(_VERDICTS) else str(scan.verdict)
    return "\n".join(
        [
            f"scan      {scan.verification_id}",
            f"at        {scan.scanned_at.isoformat()}",
            f"unit      {scan.unit_id} of batch {scan.batch_id}",
            f"verdict   {verdict}, risk {scan.risk_score}",
            f"ledger    {checkpoint.origin}, {checkpoint.size} entries, root {checkpoint.root.hex()}",
            "",
            "IN THE LEDGER: the signed tree holds exactly this entry",
        ]
    )


def _say(outcome: Outcome, text: str) -> int:
    shown = "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    sys.stdout.write(shown + "\n")
    return outcome


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_PROOF_BYTES + 1)


def _fetched(source: str, scan: str) -> bytes:
    url = f"{source.rstrip('/')}/v1/ledger/entries/{scan}/proof"
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - the auditor's own address
        body: bytes = answer.read(MAX_PROOF_BYTES + 1)
    return body


def _holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - only this command needs it
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    except ImportError as error:
        raise SystemExit("checking signatures needs Ed25519: pip install voketag[ledger]") from error
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _options(arguments: Sequence[str] | None, program: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Check that a scan is in the ledger.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("proof", type=Path, nargs="?", help="the tlog-proof file")
    parser.add_argument("--key", required=True, help="the ledger's published key, <name>+<hash>+<base64>")
    parser.add_argument("--from", dest="source", metavar="URL", help="fetch the proof from the platform's address")
    parser.add_argument("--scan", metavar="ID", help="the verification id of the scan whose proof is fetched")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep the proof")
    options = parser.parse_args(arguments)
    if (options.proof is None) == (options.source is None) or (options.source is None) != (options.scan is None):
        parser.error("name a proof file, or give --from and --scan")
    return options


if __name__ == "__main__":
    sys.exit(main())
