"""`python -m services.scan.verify_ledger --key <vkey>`: check the whole ledger of scans, and name the first bad entry.

Reads VOKETAG_DATABASE_URL with any role that may read Scan's tables. Ends with 0 when all is well, 1 when the ledger is
not what was signed, 2 when it could not be checked.
"""

import argparse
import asyncio
import os
import sys
import time

from services.common.errors import Unavailable
from services.scan.operations.verification import LedgerIsWrong, LedgerVerifier
from services.scan.storage.connection import HeldConnection
from voketag_kernel.notes import MalformedNote, VerifierKey

_STATEMENT_SECONDS = 60


async def verify(database_url: str, key: VerifierKey) -> str:
    """Check the ledger and return a report; LedgerIsWrong, Unavailable."""
    started = time.perf_counter()
    async with (
        HeldConnection(dsn=database_url, name="verifier", timeout_seconds=_STATEMENT_SECONDS) as connection,
        HeldConnection(dsn=database_url, name="verifier, ahead", timeout_seconds=_STATEMENT_SECONDS) as ahead,
    ):
        done = await LedgerVerifier(connection=connection, ahead=ahead, key=key).verify()
    seconds = time.perf_counter() - started
    return (
        f"the ledger is whole: {done.entries} entries, chained and in one tree, {done.checkpoints} checkpoints signed "
        f"by {key.name}\nroot {done.root.hex()}\n{done.entries / seconds:,.0f} entries a second"
    )


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="verify_ledger", description="Check the whole ledger of scans.")
    parser.add_argument("--key", required=True, help="the ledger's published key, <name>+<hash>+<base64>")
    try:
        key = VerifierKey.parse(parser.parse_args(arguments).key)
        print(asyncio.run(verify(os.environ["VOKETAG_DATABASE_URL"], key)))  # noqa: T201 - its purpose
    except LedgerIsWrong as error:
        print(f"the ledger is NOT what was signed\n{error}")  # noqa: T201 - its purpose
        return 1
    except (Unavailable, MalformedNote, KeyError) as error:
        print(f"could not check: {error}", file=sys.stderr)  # noqa: T201 - its purpose
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
