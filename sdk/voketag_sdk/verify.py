"""`voketag-verify`: check one receipt, print a report, and say by the exit code what came out.

    voketag-verify RECEIPT.json --rpc https://rpc.example.com --contract 0x...
    voketag-verify PROOF.tlog-proof --key 'verify.example.com/ledger+12345678+AQ...'

With `--key` it checks a scan's proof from the ledger, and has the options of `voketag-verify-log`.
`python -m voketag_sdk.verify` is the same. It needs neither the platform nor gRPC, and starts fast. What it prints of a
receipt are a stranger's words, so nothing in them can steer the terminal.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from voketag_kernel.receipts import MalformedReceipt, parse
from voketag_sdk._audit import Audit, Outcome, Trust, audit
from voketag_sdk._version import __version__

MAX_RECEIPT_BYTES: Final = 1024 * 1024
"""An honest receipt takes a few thousand."""

_LEDGER_PROOF: Final = b"c2sp.org/tlog-proof@"
_MAX_SHOWN: Final = 300
_EPILOG = """\
exit codes:
  0  everything that was asked for holds (without --rpc: the receipt fits together, which a forged one can)
  1  the receipt proves nothing: a link is broken, or the chain says otherwise
  2  this is no receipt, or no such command
  3  the chain does not hold it, or not deep enough yet: ask for the receipt again later
  4  the chain could not be asked, which says nothing about the receipt

A proof of a scan from the ledger (C2SP tlog-proof) is checked with the ledger's published key, and fetched and kept:
  voketag-verify PROOF.tlog-proof --key NAME+HASH+KEY
  voketag-verify --from URL --scan ID --key NAME+HASH+KEY --save PROOF.tlog-proof
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what the command line names and return the exit code."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    given = sys.argv[1:] if arguments is None else arguments
    if any(argument.partition("=")[0] == "--key" for argument in given):
        from voketag_sdk import verify_log  # noqa: PLC0415 - a receipt needs none of it

        return verify_log.main(given, program="voketag-verify")
    options = _options(given)
    trust = Trust(options.rpc, dict(options.contract), options.min_confirmations or 1, options.code)
    try:
        text = _read(options.receipt)
        if text.startswith(_LEDGER_PROOF):
            raise MalformedReceipt("this is a proof from the ledger: give the ledger's published key with --key")
        found = audit(parse(text), trust)
    except (MalformedReceipt, OSError) as error:
        verdict = f"{'NOT READ' if isinstance(error, OSError) else 'MALFORMED'}: {shown(error)}"
        _print(json.dumps({"outcome": "malformed", "exit_code": 2, "verdict": verdict}) if options.json else verdict)
        return Outcome.MALFORMED
    _print(as_json(found) if options.json else as_text(found))
    return found.outcome


def as_json(found: Audit) -> str:
    """Return the report for programs."""
    document = {
        "outcome": found.outcome.name.lower(),
        "exit_code": found.outcome,
        "verdict": found.verdict,
        "code": found.receipt.code,
        "serial": found.receipt.serial,
        "facts": found.facts,
        "steps": [asdict(step) for step in found.steps],
    }
    return json.dumps(document, indent=2)


def as_text(found: Audit) -> str:
    """Return the report for people."""
    facts = found.facts
    rows = {
        "code": shown(found.receipt.code),
        "serial": shown(found.receipt.serial),
        "brand": shown(facts.get("brand")),
        "product": f"{shown(facts.get('product_name'))} (SKU {shown(facts.get('sku'))})",
        "lot": shown(facts.get("lot")),
        "quantity": shown(facts.get("quantity")),
    }
    lines = ["The receipt says:", *(f"{name:<10}{text}" for name, text in rows.items())]
    lines += ["", *(f"{step.state:<10}{step.name:<10}{shown(step.detail)}" for step in found.steps)]
    return "\n".join([*lines, "", found.verdict])


def shown(value: object) -> str:
    """Return a stranger's text as one line of bounded length without control characters; "-" for what is absent."""
    text = "-" if value is None else str(value)
    if len(text) > _MAX_SHOWN:
        text = text[:_MAX_SHOWN] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="voketag-verify",
        description="Check a VokeTag receipt by itself and, given a node and a contract, against the chain.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("receipt", metavar="RECEIPT.json", help="the receipt's file; - reads it from standard input")
    parser.add_argument(
        "--rpc",
        action="append",
        default=[],
        type=_url,
        metavar="URL",
        help="JSON-RPC URL of a node; if repeated, all must agree",
    )
    parser.add_argument(
        "--contract",
        action="append",
        default=[],
        type=_contract,
        metavar="[CHAIN:]0x...",
        help="the registry contract, as its operator publishes it; repeated with the chain's id for other chains",
    )
    parser.add_argument(
        "--min-confirmations", type=_depth, metavar="N", help="blocks on the root, its own included (1)"
    )
    parser.add_argument("--code", help="the code in hand, when the receipt came from elsewhere")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--version", action="version", version=f"voketag {__version__}")
    options = parser.parse_args(arguments)
    if bool(options.rpc) is not bool(options.contract):
        parser.error("--rpc and --contract go together: the chain is asked about the contract that you trust")
    if options.min_confirmations and not options.rpc:
        parser.error("--min-confirmations needs --rpc: only the chain can count them")
    return options


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:  # ValueError beyond 65535
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON-RPC URL; it looks like https://rpc.example.com")
    return text


def _contract(text: str) -> tuple[int | None, str]:
    """Return the chain's id, None for the receipt's own, and the address."""
    chain, colon, address = text.rpartition(":")
    if not re.fullmatch("0x[0-9A-Fa-f]{40}", address):
        raise argparse.ArgumentTypeError(f"{address!r} is not an address; it has 0x and 40 hex digits")
    if colon and not re.fullmatch("[0-9]{1,18}", chain):
        raise argparse.ArgumentTypeError(f"{chain!r} is not a chain's id; it looks like 137:0x...")
    return (int(chain) if colon else None), address


def _depth(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _print(text: str) -> None:
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        # The reader has seen enough (`| head`). A traceback's exit code would say that the receipt proves nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _read(name: str) -> bytes:
    """Return the file's bytes. OSError, or MalformedReceipt when there are too many."""
    if name == "-":
        text = sys.stdin.buffer.read(MAX_RECEIPT_BYTES + 1)
    else:
        with Path(name).open("rb") as file:
            text = file.read(MAX_RECEIPT_BYTES + 1)
    if len(text) > MAX_RECEIPT_BYTES:
        raise MalformedReceipt(f"a receipt has no more than {MAX_RECEIPT_BYTES} bytes")
    return text


if __name__ == "__main__":
    sys.exit(main())
