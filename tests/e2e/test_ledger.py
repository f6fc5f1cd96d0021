"""The ledger through the edge, checked as an auditor does: with the published key, believing nothing else."""

import base64
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from deploy.local.python import ROOT
from deploy.local.stack import LocalStack
from tests.e2e.conftest import Issued
from tests.e2e.edge import NO_SUCH_ID, Rest
from tests.e2e.faults import wait_until
from voketag_kernel import rfc6962
from voketag_kernel.ledger import hash_of
from voketag_kernel.notes import VerifierKey
from voketag_kernel.receipts import checkpoint_leaf_data
from voketag_kernel.tlog import Checkpoint
from voketag_sdk import verify_log


def key_of(stack: LocalStack) -> VerifierKey:
    """Return the ledger's published key."""
    return VerifierKey.parse(stack.credentials["ledger_key"])


def proof_of(rest: Rest, verification_id: str) -> str:
    """The proof of a scan, as soon as there is one: two seconds at most after its answer."""
    started = time.monotonic()
    answer = wait_until(
        "the scan is in the ledger",
        lambda: found if (found := rest("GET", f"/v1/ledger/entries/{verification_id}/proof")).status == 200 else None,
        seconds=10,
        every=0.05,
    )
    assert time.monotonic() - started < 5, "2 s are promised; a busy machine may take more"
    return str(answer.body)


def test_a_scan_is_proven_with_the_published_key_alone(
    rest: Rest, stack: LocalStack, issued: Issued, tmp_path: Path
) -> None:
    scan = rest("GET", f"/v1/scan/{issued.units[0].code}").body
    text = proof_of(rest, scan["verification_id"])
    _, entry = verify_log.check(text, key_of(stack))
    assert str(entry.verification_id) == scan["verification_id"]
    file = tmp_path / "scan.tlog-proof"
    command = [sys.executable, "-m", "voketag_sdk.verify_log", "--key", str(key_of(stack))]
    fetched = [
        *command,
        "--from",
        stack.credentials["edge_url"],
        "--scan",
        scan["verification_id"],
        "--save",
        str(file),
    ]
    for each in (fetched, [*command, str(file)]):
        done = subprocess.run(each, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            0,
            "IN THE LEDGER: the signed tree holds exactly this entry",
        )
    file.write_text(text.replace("index ", "index 1"))
    assert subprocess.run([*command, str(file)], capture_output=True, check=False).returncode == 1


def test_the_log_is_a_tiled_log(rest: Rest, stack: LocalStack, issued: Issued) -> None:
    scan = rest("GET", f"/v1/scan/{issued.units[0].code}").body
    proof_of(rest, scan["verification_id"])
    answer = rest("GET", "/ledger/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    checkpoint = Checkpoint.parse(answer.body.partition("\n\n")[0] + "\n")
    assert checkpoint.size < 256, "the session's stack is young"
    tile = _bytes(stack, f"/ledger/tile/0/000.p/{checkpoint.size}")
    assert tile == _bytes(stack, f"/v1/ledger/tile/0/0?width={checkpoint.size}")
    leaves = [tile[at : at + 32] for at in range(0, len(tile), 32)]
    assert rfc6962.root(leaves) == checkpoint.root
    bundle = _bytes(stack, f"/ledger/tile/entries/000.p/{checkpoint.size}")
    for leaf in leaves:
        length = int.from_bytes(bundle[:2], "big")
        assert hash_of(bundle[2 : 2 + length]) == leaf
        bundle = bundle[2 + length :]
    assert bundle == b""
    proof = rest("GET", f"/v1/ledger/consistency?from=1&to={checkpoint.size}").body
    rfc6962.verify_consistency(
        old_size=1,
        new_size=checkpoint.size,
        old_root=leaves[0],
        new_root=checkpoint.root,
        path=[bytes.fromhex(node) for node in proof["hashes"]],
    )


def test_what_the_log_does_not_have_is_not_found(rest: Rest) -> None:
    for path in ("tile/0/999", "tile/0/000.p/256", "tile/9/000", "nothing", "tile/0/../../etc"):
        assert rest("GET", f"/ledger/{path}").status in {400, 404}
    assert rest("GET", f"/v1/ledger/entries/{NO_SUCH_ID}/proof").reason == "ENTRY_NOT_FOUND"
    assert rest("GET", "/v1/ledger/consistency?from=5&to=3").reason == "INVALID_ARGUMENT"
    assert rest("GET", "/v1/ledger/tile/0/0?width=300").reason == "INVALID_ARGUMENT"


def test_a_checkpoint_gets_to_the_chain_as_what_it_is(rest: Rest, stack: LocalStack, issued: Issued) -> None:
    rest("GET", f"/v1/scan/{issued.units[0].code}")
    row = wait_until(
        "a checkpoint is with Anchor",
        lambda: stack.postgres.sql(
            "SELECT anchor_id || ' ' || size || ' ' || encode(root, 'hex') FROM scan.ledger_checkpoints "
            "WHERE anchor_id IS NOT NULL ORDER BY size LIMIT 1"
        ),
        seconds=30,
        every=0.5,
    )
    subject, size, root = row.split()
    anchor = wait_until(
        "the chain has it",
        lambda: body if (body := rest("GET", f"/v1/verify/{subject}").body).get("valid") else None,
        seconds=60,
        every=0.5,
    )["anchor"]
    assert (anchor["kind"], anchor["merkle_root"], anchor["tree_size"]) == ("ANCHOR_KIND_LEDGER", root, size)
    inclusion = anchor["inclusion"]
    rfc6962.verify_inclusion(
        rfc6962.leaf_hash(checkpoint_leaf_data(bytes.fromhex(root), int(size))),
        index=int(inclusion["leaf_index"]),
        size=int(inclusion["tree_size"]),
        path=[bytes.fromhex(node) for node in inclusion["inclusion_path"]],
        expected_root=bytes.fromhex(inclusion["root"]),
    )
    assert re.search(
        r"[1-9]\d* of \d+ submitted checkpoints are on the chain",
        verified(stack, "--edge", stack.credentials["edge_url"]),
    )
    grow = "UPDATE anchor.anchors SET tree_size = tree_size {} 1 WHERE batch_id = '{}'"
    stack.sql(grow.format("+", subject))
    try:
        wait_until(
            "the answer that was kept for those who ask the same is over",
            lambda: rest("GET", f"/v1/verify/{subject}").body["anchor"]["tree_size"] != size,
            seconds=10,
            every=0.2,
        )
        done = verifier(stack, "--edge", stack.credentials["edge_url"])
    finally:
        stack.sql(grow.format("-", subject))
    assert (done.returncode, "anchored with another root" in done.stdout) == (1, True)
    assert f"entry {size}:" in done.stdout


def test_the_verifier_finds_the_stack_s_ledger_whole(rest: Rest, stack: LocalStack, issued: Issued) -> None:
    scan = rest("GET", f"/v1/scan/{issued.units[0].code}").body
    proof_of(rest, scan["verification_id"])
    assert verified(stack).startswith("the ledger is whole: ")


def test_verdicts_are_signed_with_published_keys(rest: Rest, issued: Issued) -> None:
    signed = rest("GET", f"/v1/scan/{issued.units[0].code}?signed=true").body["signed_verdict"]
    header = base64.urlsafe_b64decode(signed.split(".")[0] + "==")
    for path in ("/v1/jwks", "/.well-known/jwks.json"):
        assert json.loads(rest("GET", path).body)["keys"][0]["kid"].encode() in header


def verified(stack: LocalStack, *more: str) -> str:
    """Run the verifier, which must find the ledger whole, and return its report."""
    done = verifier(stack, *more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def verifier(stack: LocalStack, *more: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier."""
    return subprocess.run(
        [sys.executable, "-m", "services.scan.verify_ledger", "--key", str(key_of(stack)), *more],
        env={**os.environ, "VOKETAG_DATABASE_URL": stack.postgres.url("voketag_scan")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def _bytes(stack: LocalStack, path: str) -> bytes:
    import urllib.request

    with urllib.request.urlopen(stack.credentials["edge_url"] + path, timeout=10) as answer:  # noqa: S310 - loopback
        body: bytes = answer.read()
        return body
