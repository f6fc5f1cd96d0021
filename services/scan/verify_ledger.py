"""`python -m services.scan.verify_ledger --key <vkey>`: check the whole ledger of scans, and name the first bad entry.

With `--edge <url>` it also asks Anchor, which reads the chain, whether every checkpoint that was submitted is there.
With `--kept-from YYYY-MM` events of earlier months may be gone, as the operator's retention has it; what the tree and
the signatures say of their entries is checked all the same.

Reads VOKETAG_DATABASE_URL with any role that may read Scan's tables. Ends with 0 when all is well, 1 when the ledger is
not what was signed, 2 when it could not be checked.
"""

import argparse
import asyncio
import json
import os
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime

from services.common.errors import Unavailable
from services.scan.operations.anchoring import subject_of
from services.scan.operations.verification import LedgerIsWrong, LedgerVerifier
from services.scan.storage import ledger as storage
from services.scan.storage.connection import HeldConnection
from services.scan.storage.ledger import StoredCheckpoint
from voketag_kernel.notes import MalformedNote, VerifierKey

_STATEMENT_SECONDS = 60


async def verify(database_url: str, key: VerifierKey, edge: str | None, kept_from: datetime | None) -> str:
    """Check the ledger and return a report; LedgerIsWrong, Unavailable."""
    started = time.perf_counter()
    async with (
        HeldConnection(dsn=database_url, name="verifier", timeout_seconds=_STATEMENT_SECONDS) as connection,
        HeldConnection(dsn=database_url, name="verifier, ahead", timeout_seconds=_STATEMENT_SECONDS) as ahead,
    ):
        done = await LedgerVerifier(connection=connection, ahead=ahead, key=key, kept_from=kept_from).verify()
        seconds = time.perf_counter() - started
        anchored = await storage.anchored_checkpoints(connection) if edge else []
    on_chain = [_on_chain(str(edge), key.name, each) for each in anchored].count(True)
    asked = f"\n{on_chain} of {len(anchored)} submitted checkpoints are on the chain, deep enough" if edge else ""
    gone = f" ({done.forgotten} of them without their events)" if done.forgotten else ""
    return (
        f"the ledger is whole: {done.entries} entries{gone}, chained and in one tree, {done.checkpoints} checkpoints "
        f"signed by {key.name}\nroot {done.root.hex()}\n{done.entries / seconds:,.0f} entries a second{asked}"
    )


def _on_chain(edge: str, origin: str, checkpoint: StoredCheckpoint) -> bool:
    """Whether the chain holds a checkpoint; LedgerIsWrong when it was anchored as something else than it is here."""
    url = f"{edge.rstrip('/')}/v1/verify/{subject_of(origin, checkpoint.size)}"
    try:
        with urllib.request.urlopen(url, timeout=_STATEMENT_SECONDS) as answer:  # noqa: S310 - the auditor's own address
            said = json.load(answer)
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        raise Unavailable(f"Anchor could not be asked about the checkpoint of size {checkpoint.size}") from error
    anchor = said["anchor"]
    stands = (anchor["merkle_root"], int(anchor["tree_size"]), anchor["kind"])
    if stands != (checkpoint.root.hex(), checkpoint.size, "ANCHOR_KIND_LEDGER"):
        raise LedgerIsWrong(checkpoint.size, "the checkpoint of this size was anchored with another root")
    return bool(said["valid"])


def _month(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="verify_ledger", description="Check the whole ledger of scans.")
    parser.add_argument("--edge", metavar="URL", help="the platform's address, to ask about the chain")
    parser.add_argument(
        "--kept-from", metavar="YYYY-MM", type=_month, help="the first month whose events must be there"
    )
    parser.add_argument("--key", required=True, help="the ledger's published key, <name>+<hash>+<base64>")
    try:
        options = parser.parse_args(arguments)
        key = VerifierKey.parse(options.key)
        print(asyncio.run(verify(os.environ["VOKETAG_DATABASE_URL"], key, options.edge, options.kept_from)))  # noqa: T201 - its purpose
    except LedgerIsWrong as error:
        print(f"the ledger is NOT what was signed\n{error}")  # noqa: T201 - its purpose
        return 1
    except (Unavailable, MalformedNote, KeyError) as error:
        print(f"could not check: {error}", file=sys.stderr)  # noqa: T201 - its purpose
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
