"""Two processes that look for ports at the same time get different ones."""

import socket
import subprocess
import sys

from deploy.local.free_ports import is_free, take_port
from deploy.local.python import ROOT

_MANY = 300
_TAKE = f"""
import sys
from deploy.local.free_ports import take_port
print(*(take_port() for _ in range({_MANY})), flush=True)
sys.stdin.read()
"""


def test_processes_take_different_ports_while_they_run() -> None:
    def other() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", _TAKE], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    with other() as first, other() as second:
        assert first.stdout
        assert second.stdout
        taken = [int(port) for each in (first, second) for port in each.stdout.readline().split()]  # type: ignore[union-attr]
        taken += [take_port() for _ in range(_MANY)]
        first.communicate()
        second.communicate()
    assert len(set(taken)) == 3 * _MANY


def test_a_port_is_not_given_while_somebody_listens_there() -> None:
    port = take_port()
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert port not in {take_port() for _ in range(1_000)}
    assert is_free(port)


def test_a_process_that_has_used_many_ports_begins_again() -> None:
    assert len({take_port() for _ in range(2_000)}) < 1_000
