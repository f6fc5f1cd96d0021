"""The local stack as a thing of its own: it starts whole, stops whole, and says what to do when it cannot start."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.envoy import render
from deploy.local import anvil, record
from deploy.local.anvil import Anvil
from deploy.local.errors import StackError
from deploy.local.owner import Owner
from deploy.local.ports import free_ports
from deploy.local.postgres import Postgres
from deploy.local.process import Process
from deploy.local.python import ROOT
from deploy.local.services import serving
from deploy.local.stack import LocalStack
from deploy.local.valkey import Valkey


def get(url: str) -> str:
    """Body of an answer with status 200."""
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        return str(answer.read().decode())


def test_every_part_runs_and_answers(stack: LocalStack) -> None:
    assert all(part.running for part in stack.parts.values())
    assert {"postgres", "valkey", "anvil", "scan-1", "scan-2", "factory-worker", "envoy"} <= set(stack.parts)
    credentials = stack.credentials
    assert json.loads(get(f"{credentials['edge_url']}/v1/ready")) == {"status": "ready"}
    assert set(credentials["grpc"]) == {"scan", "factory", "admin", "anchor"}
    assert all(serving(address) for address in credentials["grpc"].values())
    assert stack.anvil.call("eth_getCode", credentials["contract_address"], "latest") != "0x"


def test_only_the_owner_reads_credentials_and_secrets(stack: LocalStack) -> None:
    secrets = stack.data_dir / "secrets"
    files = [stack.credentials_file, *(file for file in secrets.rglob("*") if file.is_file())]
    assert len(files) > 10
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert secrets.stat().st_mode & 0o777 == 0o700


def test_a_second_stack_in_the_same_folder_is_refused(stack: LocalStack) -> None:
    with pytest.raises(StackError, match="another stack runs in"):
        LocalStack(stack.data_dir).up()
    assert stack.parts["factory"].running


def test_a_taken_port_is_named_before_anything_starts(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = LocalStack(folder, ports={**free_ports(2), "factory": port})
        with pytest.raises(StackError, match=rf"{port} \(factory\): set VOKETAG_PORT_FACTORY"):
            stack.up()
    assert not stack.parts
    assert not stack.postgres.data.exists()
    stack.remove()


def test_a_missing_package_is_named_with_its_repair(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anvil, "_PACKAGES", folder / "node_modules")
    with pytest.raises(StackError, match=r"anvil is missing .* run `make setup`"):
        LocalStack(folder)


@pytest.mark.slow
def test_a_part_that_cannot_start_shows_its_log_and_stops_the_rest(folder: Path) -> None:
    stack = LocalStack(folder, settings={"factory": {"SIGNING_KEY_ID": "0"}})
    with pytest.raises(StackError, match=r"factory ended with code 1 while it started(.|\n)*signing_key_id"):
        stack.up()
    assert not stack.parts
    assert not stack.postgres.running
    stack.remove()


@pytest.mark.slow
def test_the_command_starts_restarts_and_stops_everything_and_keeps_the_data(stack: LocalStack, folder: Path) -> None:
    up = ("up", "--detach", "--free-ports", "--scan-processes", "1")
    _command(folder, *up)
    first = json.loads((folder / "credentials.json").read_text())
    assert "runs already" in _command(folder, *up)

    # Beside another stack: each answers for itself.
    for each in (stack.credentials, first):
        assert "ok" in get(f"{each['edge_url']}/v1/health")
    assert first["tenant_id"] != stack.credentials["tenant_id"]
    taken = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", json.dumps(first))}
    assert len(taken) == 7, "of four services, the edge, the chain and the database"
    assert not taken & set(stack.ports.values())
    assert "scan-2" not in {entry.name for entry in record.read(folder / "stack.json")}

    victim = _entry(folder, "scan-1")
    os.kill(victim.pid, signal.SIGKILL)
    assert record.wait_gone(victim, seconds=5)
    _wait_until(lambda: _entry(folder, "scan-1") != victim and serving(first["grpc"]["scan"]))

    entries = record.read(folder / "stack.json")
    assert _command(folder, "down") == "stopped\n"
    assert not [entry.name for entry in entries if entry.alive]
    assert _command(folder, "down") == "nothing to stop\n"

    _command(folder, *up)
    second = json.loads((folder / "credentials.json").read_text())
    _command(folder, "down")
    kept = ("partner_api_key", "admin_password", "tenant_id", "contract_address")
    assert [second[name] for name in kept] == [first[name] for name in kept]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_starting_stops_everything(folder: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        _line(folder, "up", "--free-ports"), stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as starting:
        assert starting.stdout is not None
        while "preparing" not in starting.stdout.readline():
            pass
        entries = record.read(folder / "stack.json")
        starting.send_signal(number)
        rest = starting.stdout.read()
        assert starting.wait(30) == 0
    assert f"stopped by {number.name}" in rest
    assert {"supervisor", "postgres", "valkey", "anvil"} <= {entry.name for entry in entries}
    assert not [entry.name for entry in entries if entry.alive]


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no signal at a parent's death")
def test_parts_die_with_a_supervisor_that_is_killed(folder: Path) -> None:
    program = f"""
        import pathlib, sys, time
        from deploy.local.valkey import Valkey
        with Valkey(pathlib.Path({str(folder)!r})) as valkey:
            print(valkey.pid, flush=True)
            time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as supervisor:
        assert supervisor.stdout is not None
        valkey = record.Entry.of("valkey", int(supervisor.stdout.readline()))
        assert valkey.alive
        supervisor.kill()
    assert record.wait_gone(valkey, seconds=5)


def test_a_stopped_part_leaves_no_process_of_its_group(folder: Path) -> None:
    parent = Process(
        name="parent",
        command=["/bin/sh", "-c", f"sleep 60 & echo $! > {folder}/child; wait"],
        log_file=folder / "parent.log",
        ready=lambda: (folder / "child").exists() and (folder / "child").read_text() != "",
    )
    with parent:
        child = record.Entry.of("child", int((folder / "child").read_text()))
        assert child.alive
    assert record.wait_gone(child, seconds=5)


def test_a_program_that_ignores_the_request_to_stop_is_killed(folder: Path) -> None:
    stubborn = Process(
        name="stubborn",
        command=["/bin/sh", "-c", f"trap '' TERM; touch {folder}/up; while true; do sleep 0.1; done"],
        log_file=folder / "stubborn.log",
        ready=(folder / "up").exists,
        stop_seconds=0.3,
    )
    stubborn.start()
    stubborn.stop()
    assert not stubborn.running


def test_postgres_keeps_what_was_committed_through_a_crash(folder: Path) -> None:
    with Postgres(folder) as postgres:
        postgres.sql("CREATE TABLE kept (number int)")
        postgres.sql("INSERT INTO kept VALUES (42)")
        postgres.kill()
        assert not postgres.running
        postgres.start()
        assert postgres.sql("SELECT number FROM kept") == "42"
    postgres.remove()
    assert not postgres.data.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for PostgreSQL")
def test_postgres_finds_another_place_when_its_user_cannot_reach_the_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    postgres = Postgres(tmp_path)
    owner = Owner.needed()
    assert owner is not None
    assert not owner.reaches(tmp_path / "postgres")
    assert postgres.data == Postgres(tmp_path).data, "a second start must find the same data"
    with postgres:
        assert postgres.sql("SELECT 1") == "1"
        assert postgres.data.stat().st_uid == owner.uid
    postgres.remove()
    assert not postgres.data.parent.exists()


def test_valkey_comes_back_empty_and_the_chain_comes_back_whole(folder: Path) -> None:
    with Valkey(folder) as valkey, socket.create_connection(("127.0.0.1", valkey.port)) as connection:
        connection.sendall(b"SET kept 1\r\n")
        assert connection.recv(64) == b"+OK\r\n"
        valkey.kill()
        valkey.start()
        with socket.create_connection(("127.0.0.1", valkey.port)) as again:
            again.sendall(b"DBSIZE\r\n")
            assert again.recv(64) == b":0\r\n"
    with Anvil(folder) as chain:
        chain.call("anvil_mine", hex(20))
        height = int(chain.call("eth_blockNumber"), 16)
        chain.stop()
        chain.start()
        assert int(chain.call("eth_blockNumber"), 16) >= height


def test_the_example_configuration_is_one_that_envoy_takes() -> None:
    render.check(render.EXAMPLE)


def _line(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "deploy.local", "--data-dir", str(folder), *arguments]


def _command(folder: Path, *arguments: str) -> str:
    done = subprocess.run(_line(folder, *arguments), capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _entry(folder: Path, name: str) -> record.Entry:
    return next(entry for entry in record.read(folder / "stack.json") if entry.name == name)


def _wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.1)
