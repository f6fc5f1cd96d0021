"""`voketag-verify` without a chain: what it prints, its exit codes, and what a hostile receipt cannot do with it."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.interop.make_vectors import RECEIPTS
from tests.interop.receipt_parts import grow
from tests.sdk.receipt_maker import make_receipt
from voketag_sdk.verify import MAX_RECEIPT_BYTES, main

RECEIPT = make_receipt()
CONTRACT = "0x" + "ab" * 20
NOBODY = "http://127.0.0.1:9"
ENTRIES = json.loads(RECEIPTS.read_text(encoding="ascii"))["receipts"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "receipt.json"
    path.write_text(RECEIPT.to_json(), encoding="utf-8")
    return path


def test_the_report_says_what_was_checked_and_what_the_facts_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"brand": "Açaí & Søn", "product_name": "Aurora serum", "sku": "AURORA-01", "lot": "L-7", "v": 1}
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(grow(facts=facts).document), encoding="utf-8")
    assert main([str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:7] == [
        "code      AAHD30wivDnXEjFx-LvT",
        "serial    S3",
        "brand     Açaí & Søn",
        "product   Aurora serum (SKU AURORA-01)",
        "lot       L-7",
        "quantity  5",
    ]
    assert [line.split()[:2] for line in lines[8:12]] == [
        ["holds", "facts"], ["holds", "unit"], ["holds", "anchor"], ["skipped", "chain"]
    ]  # fmt: skip
    assert lines[-1].startswith("CONSISTENT")


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["name"] for entry in ENTRIES])
def test_every_vector_ends_in_its_exit_code(
    entry: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "receipt.json"
    path.write_bytes(bytes.fromhex(entry["hex"]) if "hex" in entry else entry["text"].encode())
    code = main([str(path), "--json"])
    assert code == {"consistent": 0, "broken": 1, "malformed": 2}[entry["outcome"]]
    report = json.loads(capsys.readouterr().out)
    assert report["exit_code"] == code
    failed = [step["name"] for step in report.get("steps", []) if step["state"] == "fails"]
    assert failed == ([entry["link"]] if "link" in entry else [])


def test_a_link_behind_a_broken_one_is_not_said_to_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(replace(RECEIPT, serial="S4").to_json())
    assert main([str(path), "--rpc", NOBODY, "--contract", CONTRACT, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [(step["name"], step["state"]) for step in report["steps"]] == [
        ("facts", "holds"), ("unit", "fails"), ("anchor", "skipped"), ("contract", "holds")
    ]  # fmt: skip


def test_a_receipt_of_another_code_than_the_one_in_hand_proves_nothing(file: Path) -> None:
    assert main([str(file), "--code", RECEIPT.code]) == 0
    assert main([str(file), "--code", "A" * 20]) == 1


def test_another_contract_than_the_trusted_one_is_found_without_a_node(file: Path) -> None:
    assert main([str(file), "--rpc", NOBODY, "--contract", "0x" + "ac" * 20]) == 1


def test_a_node_that_is_not_there_is_no_word_about_the_receipt(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(file), "--rpc", NOBODY, "--contract", CONTRACT]) == 4
    assert capsys.readouterr().out.splitlines()[-1].startswith("UNKNOWN")


def test_a_receipt_without_an_anchor_is_consistent_and_not_on_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(replace(RECEIPT, anchor=None).to_json())
    assert main([str(path)]) == 0
    assert main([str(path), "--rpc", NOBODY, "--contract", CONTRACT]) == 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "required: RECEIPT.json"),
        (["r", "--rpc", NOBODY], "go together"),
        (["r", "--contract", CONTRACT], "go together"),
        (["r", "--min-confirmations", "2"], "needs --rpc"),
        (["r", "--rpc", NOBODY, "--contract", CONTRACT, "--min-confirmations", "0"], "not a number of 1 or more"),
        (["r", "--rpc", NOBODY, "--contract", "0xabc"], "40 hex digits"),
        (["r", "--rpc", NOBODY, "--contract", "polygon:" + CONTRACT], "not a chain's id"),
        (["r", "--rpc", "file:///etc/passwd", "--contract", CONTRACT], "not a JSON-RPC URL"),
        (["r", "--rpc", "127.0.0.1:8545", "--contract", CONTRACT], "not a JSON-RPC URL"),
        (["r", "--rpc", "http://node:99999", "--contract", CONTRACT], "argument --rpc"),
    ],
)
def test_a_command_that_is_none_says_what_to_do(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_no_verdict_on_a_receipt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "nothing.json")]) == 2
    assert main([str(tmp_path)]) == 2
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["NOT READ", "NOT READ"]


def test_more_than_a_receipt_can_be_is_not_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    endless = io.BytesIO(RECEIPT.to_json().encode() + b" " * (10 * MAX_RECEIPT_BYTES))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=endless))
    assert main(["-"]) == 2
    assert endless.tell() == MAX_RECEIPT_BYTES + 1
    assert "no more than" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_stranger_s_words_cannot_steer_the_terminal(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "\x1b[2J\rVALID\nVALID\x9b\u202e" + "A" * 100_000
    documents = [
        grow(serial=hostile, facts={"brand": hostile, "lot": hostile}).document,
        {hostile: 1, **grow().document},
    ]
    path = tmp_path / "receipt.json"
    for document in documents:
        path.write_text(json.dumps(document))
        main([str(path), *arguments])
        shown = capsys.readouterr().out
        assert not any(line.startswith("VALID") for line in shown.splitlines())
        assert all(letter == "\n" or letter.isprintable() for letter in shown)
        assert len(shown) < 3_000 or arguments == ["--json"]


@pytest.mark.parametrize(
    "hidden", [["grpc", "google", "google.protobuf"], ["ssl", "http", "urllib.request", "asyncio"]]
)
def test_an_offline_check_needs_neither_grpc_nor_the_network_s_modules(file: Path, hidden: list[str]) -> None:
    program = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({hidden!r}))  # any import of them fails
sys.argv = ["voketag-verify", {str(file)!r}]
runpy.run_module("voketag_sdk.verify", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "CONSISTENT" in done.stdout


def test_a_reader_that_goes_away_does_not_change_the_exit_code(file: Path) -> None:
    command = [sys.executable, "-m", "voketag_sdk.verify", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()
    assert (process.returncode, complaint) == (0, b"")


def test_a_terminal_that_knows_only_ascii_gets_a_report_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(grow(facts={"brand": "Açaí"}).document))
    command = [sys.executable, "-m", "voketag_sdk.verify", str(path)]
    done = subprocess.run(command, env={"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"brand     A\xe7a\xed" in done.stdout
