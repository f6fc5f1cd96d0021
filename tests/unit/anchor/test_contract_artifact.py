"""The committed artifact is what the source builds, and its interface is the one that was published."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.anchor.contract import build
from services.anchor.contract.artifact import ARTIFACT_PATH, SOURCE_PATH, load_artifact

INTERFACE = {
    "event Anchored(bytes32 indexed,uint64,uint64,address indexed)",
    "event WriterSet(address indexed,bool)",
    "event OwnerProposed(address indexed,address indexed)",
    "event OwnerChanged(address indexed,address indexed)",
    "constructor(address,address) nonpayable",
    "anchor(bytes32,uint64) nonpayable",
    "anchorMany((bytes32,uint64)[]) nonpayable",
    "anchoredAt(bytes32) view -> uint256",
    "sizeOf(bytes32) view -> uint64",
    "blockOf(bytes32) view -> uint256",
    "setWriter(address,bool) nonpayable",
    "proposeOwner(address) nonpayable",
    "acceptOwner() nonpayable",
    "owner() view -> address",
    "proposedOwner() view -> address",
    "writers(address) view -> bool",
}
FORBIDDEN_OPCODES = {
    0xF0: "CREATE",
    0xF1: "CALL",
    0xF2: "CALLCODE",
    0xF4: "DELEGATECALL",
    0xF5: "CREATE2",
    0xFF: "SELFDESTRUCT",
}


def test_the_committed_artifact_is_what_the_source_builds() -> None:
    assert ARTIFACT_PATH.read_text("utf-8") == build.build_artifact().to_json()


def test_the_build_does_not_depend_on_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "SOURCE_PATH", Path(shutil.copy(SOURCE_PATH, tmp_path)))
    monkeypatch.chdir(tmp_path)
    assert build.build_artifact() == load_artifact()


def test_the_artifact_names_source_and_compiler() -> None:
    artifact = load_artifact()
    assert artifact.source_sha256 == hashlib.sha256(SOURCE_PATH.read_bytes()).hexdigest()
    assert artifact.compiler == "vyper 0.4.3+commit.bff19ea2"
    assert artifact.settings == {"evm_version": "paris", "optimize": "gas"}


@pytest.mark.parametrize("damage", ["", "{}", "one byte"])
def test_check_fails_for_any_other_artifact_and_the_build_repairs_it(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    committed = ARTIFACT_PATH.read_text("utf-8")
    stale = tmp_path / "AnchorRegistry.json"
    stale.write_text(committed.replace("0x34", "0x35", 1) if damage == "one byte" else damage)
    monkeypatch.setattr(build, "ARTIFACT_PATH", stale)
    assert build.main(["--check"]) == 1
    assert "run `python -m services.anchor.contract.build`" in capsys.readouterr().err
    assert build.main([]) == 0
    assert build.main(["--check"]) == 0
    assert stale.read_text("utf-8") == committed


def test_the_interface_is_the_published_one() -> None:
    assert {signature(entry) for entry in load_artifact().abi} == INTERFACE


def test_the_contract_cannot_destroy_itself_or_run_other_code() -> None:
    used = set(opcodes(bytes.fromhex(load_artifact().runtime_bytecode[2:])))
    assert {0x54, 0x55, 0xA3} <= used  # SLOAD, SSTORE, LOG3: the walk reads instructions
    assert [name for code, name in FORBIDDEN_OPCODES.items() if code in used] == []


def signature(entry: dict[str, Any]) -> str:
    inputs = ",".join(abi_type(item) + (" indexed" if item.get("indexed") else "") for item in entry.get("inputs", []))
    if entry["type"] == "event":
        return f"event {entry['name']}({inputs})"
    outputs = ",".join(abi_type(item) for item in entry.get("outputs", []))
    name = str(entry.get("name", entry["type"]))
    result = f" -> {outputs}" if outputs else ""
    return f"{name}({inputs}) {entry['stateMutability']}{result}"


def abi_type(item: dict[str, Any]) -> str:
    kind = str(item["type"])
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(abi_type(part) for part in item["components"]) + ")" + kind.removeprefix("tuple")


def opcodes(code: bytes) -> Iterator[int]:
    position = 0
    while position < len(code):
        yield code[position]
        pushed = code[position] - 0x5F if 0x60 <= code[position] <= 0x7F else 0  # PUSH1..PUSH32 carry data
        position += 1 + pushed
