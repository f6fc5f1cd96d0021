"""`voketag-verify` as an auditor installs it, against a real chain."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.chain import Chain
from tests.sdk.receipt_maker import ANCHOR_SIZE
from voketag_kernel.receipts import AnchorProof, ChainAnchor, Receipt

NOBODY = "http://127.0.0.1:9"


class Auditor:
    """Runs the installed script in a folder of its own."""

    def __init__(self, installed: Path, folder: Path) -> None:
        self._script = installed.parent / "voketag-verify"
        self._folder = folder

    def run(self, receipt: Receipt, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(self._script), "-", *arguments]
        return subprocess.run(
            command, cwd=self._folder, input=receipt.to_json(), capture_output=True, text=True, check=False
        )

    def outcome(self, receipt: Receipt, *arguments: str) -> tuple[int, str]:
        """Return the exit code and what the last step says."""
        done = self.run(receipt, "--json", *arguments)
        assert done.stderr == ""
        report = json.loads(done.stdout)
        assert report["exit_code"] == done.returncode
        return done.returncode, report["steps"][-1]["detail"]


@pytest.fixture
def auditor(installed: Path, tmp_path: Path) -> Auditor:
    return Auditor(installed, tmp_path)


@pytest.fixture
def asked(chain: Chain, contract: str) -> list[str]:
    """The arguments that name the chain."""
    return ["--rpc", chain.anvil.url, "--contract", contract]


def _changed(receipt: Receipt, **change: Any) -> Receipt:
    assert receipt.anchor is not None
    return replace(receipt, anchor=replace(receipt.anchor, **change))


def test_a_receipt_on_the_chain_is_valid(chain: Chain, contract: str, receipt: Receipt, auditor: Auditor) -> None:
    done = auditor.run(receipt, "--rpc", chain.anvil.url, "--contract", contract.upper().replace("0X", "0x"))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith(("holds", "fails", "skipped"))] == [
        ["holds", "facts"], ["holds", "unit"], ["holds", "anchor"], ["holds", "contract"], ["holds", "chain"]
    ]  # fmt: skip
    assert lines[-1].startswith("VALID")
    assert receipt.anchor is not None
    assert f"wrote it in block {receipt.anchor.block_number}, " in done.stdout


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"chain_id": 1}, (1, "is on chain 1")),
        ({"tree_size": ANCHOR_SIZE + 1}, (1, "another tree size")),
        ({"block_number": 4711}, (1, "not in 4711")),
        ({"contract": "0x" + "ab" * 20}, (1, "leads to the contract 0xabab")),
        ({"tx_hash": "0x" + "ee" * 32}, (3, "in no block")),
    ],
)
def test_what_only_the_chain_can_tell_ends_in_its_code(
    asked: list[str], receipt: Receipt, auditor: Auditor, change: dict[str, Any], expected: tuple[int, str]
) -> None:
    code, detail = auditor.outcome(_changed(receipt, **change), *asked)
    assert (code, expected[1] in detail) == (expected[0], True), detail


def test_another_transaction_of_the_contract_proves_nothing(
    chain: Chain, contract: str, asked: list[str], receipt: Receipt, auditor: Auditor
) -> None:
    other = chain.anchor(contract, b"\x78" * 32, 1)
    lying = _changed(receipt, tx_hash=other["transactionHash"])
    code, detail = auditor.outcome(lying, *asked)
    assert (code, "did not anchor" in detail) == (1, True), detail


def test_what_the_chain_does_not_hold_yet_is_told_apart(
    chain: Chain, asked: list[str], receipt: Receipt, auditor: Auditor
) -> None:
    empty = chain.deploy()
    assert auditor.outcome(replace(receipt, anchor=None), *asked) == (3, "not asked: the receipt leads to none")
    code, detail = auditor.outcome(_changed(receipt, contract=empty), "--rpc", chain.anvil.url, "--contract", empty)
    assert (code, "does not hold the receipt's root" in detail) == (3, True)
    code, detail = auditor.outcome(receipt, *asked, "--min-confirmations", "1000000")
    assert (code, "of 1000000 confirmations" in detail) == (3, True)


def test_every_node_must_agree_and_a_no_outweighs_silence(asked: list[str], receipt: Receipt, auditor: Auditor) -> None:
    both = [*asked, "--rpc", NOBODY]
    assert auditor.outcome(receipt, *asked, *asked)[0] == 0
    assert auditor.outcome(receipt, *both)[0] == 4
    assert auditor.outcome(_changed(receipt, tx_hash="0x" + "ee" * 32), *both)[0] == 3
    assert auditor.outcome(_changed(receipt, block_number=4711), *both)[0] == 1


def test_each_node_is_asked_about_its_own_chain(
    chain: Chain, contract: str, asked: list[str], receipt: Receipt, auditor: Auditor
) -> None:
    assert receipt.anchor is not None
    here = ChainAnchor("here", receipt.anchor)
    elsewhere = ChainAnchor("elsewhere", replace(receipt.anchor, chain_id=31338, contract="0x" + "ab" * 20))
    several = replace(receipt, anchors=(here, elsewhere))
    done = auditor.run(several, *asked)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "here (31337), elsewhere (31338)" in done.stdout
    # The default chain has not confirmed it yet, or is another one: the contract is named with its chain.
    late = replace(several, anchor=None)
    by_chain = ["--rpc", chain.anvil.url, "--contract", f"31337:{contract}"]
    assert auditor.outcome(late, *by_chain)[0] == 0
    code, detail = auditor.outcome(late, *asked)
    assert (code, "--contract 31337:0x..." in detail) == (4, True), detail
    other = replace(several, anchor=elsewhere.proof, anchors=(elsewhere,))
    code, detail = auditor.outcome(replace(other, anchors=(elsewhere, replace(here, proof=_lying(here)))), *by_chain)
    assert (code, "not in 4711" in detail) == (1, True), detail
    code, detail = auditor.outcome(several, *asked, "--contract", "31338:0x" + "ac" * 20)
    assert (code, "leads to the contract 0xabab" in detail) == (1, True), detail


def test_a_node_of_a_chain_that_the_receipt_does_not_lead_to_proves_nothing(
    asked: list[str], receipt: Receipt, auditor: Auditor
) -> None:
    assert receipt.anchor is not None
    ways = tuple(ChainAnchor(str(number), replace(receipt.anchor, chain_id=number)) for number in (1, 2))
    code, detail = auditor.outcome(replace(receipt, anchor=ways[0].proof, anchors=ways), *asked)
    assert (code, "does not lead to chain 31337" in detail) == (1, True), detail


def _lying(anchor: ChainAnchor) -> AnchorProof:
    return replace(anchor.proof, block_number=4711)


def test_a_key_in_a_node_s_url_is_not_shown(contract: str, receipt: Receipt, auditor: Auditor) -> None:
    secret = "http://user:pa55@127.0.0.1:9/v2/k3y?token=t0ken"
    done = auditor.run(receipt, "--rpc", secret, "--contract", contract)
    assert done.returncode == 4
    assert "chain     127.0.0.1: " in done.stdout
    assert not any(part in done.stdout + done.stderr for part in ("pa55", "k3y", "t0ken"))
