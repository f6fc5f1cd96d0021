"""Which ports the local stack listens on, and whether they are free."""

import os
import socket
from collections.abc import Mapping

from deploy.local.errors import StackError
from deploy.local.free_ports import is_free, take_port

Ports = Mapping[str, int]
"""Port by the name of what listens there: `edge`, `postgres`, `scan-1`, `scan-1-metrics`..."""

_FIXED = {
    "edge": 8080,
    "edge-admin": 9901,
    "postgres": 54320,
    "valkey": 63790,
    "anvil": 8545,
    "scan-1": 50051,
    "factory": 50052,
    "admin": 50053,
    "anchor": 50054,
}
_FIRST_FURTHER_SCAN = 50055
_FIRST_SCAN_HTTP = 50151
_FIRST_METRICS = 9460


def usual_ports(scan_processes: int) -> Ports:
    """Return the ports of `make up`; `VOKETAG_PORT_EDGE=8081` and the like replace single ones."""
    ports = dict(_FIXED)
    for index in range(2, scan_processes + 1):
        ports[f"scan-{index}"] = _FIRST_FURTHER_SCAN + index - 2
    for index, name in enumerate(scan_names(scan_processes)):
        ports[f"{name}-http"] = _FIRST_SCAN_HTTP + index
    for index, name in enumerate(_metered(scan_processes)):
        ports[f"{name}-metrics"] = _FIRST_METRICS + index
    return {name: _from_environment(name, port) for name, port in ports.items()}


def free_ports(scan_processes: int) -> Ports:
    """Return ports that nobody listens on, all different, and nobody else's while this process runs."""
    return {name: take_port() for name in usual_ports(scan_processes)}


def check_free(ports: Ports) -> None:
    """Raise StackError that names every taken port and how to choose another."""
    taken = [f"  {port} ({name}): set {_variable(name)}" for name, port in ports.items() if not is_free(port)]
    if taken:
        raise StackError(
            "\n".join(
                [
                    "these ports are taken by other programs (an earlier stack? `make down` stops it):",
                    *taken,
                    "or let the stack choose: `python -m deploy.local up --free-ports`",
                ]
            )
        )
    if len(set(ports.values())) < len(ports):
        raise StackError("two parts have the same port: look at the VOKETAG_PORT_* variables")


def answers(port: int) -> bool:
    """Tell whether something takes connections on the loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def scan_names(scan_processes: int) -> list[str]:
    """Return `scan-1`, `scan-2`..."""
    return [f"scan-{index}" for index in range(1, scan_processes + 1)]


def _metered(scan_processes: int) -> list[str]:
    return [
        *("factory", "admin", "anchor", "factory-worker", "anchor-worker", "scan-worker"),
        *scan_names(scan_processes),
    ]


def _from_environment(name: str, usual: int) -> int:
    text = os.environ.get(_variable(name), str(usual))
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise StackError(f"{_variable(name)} must be a port between 1 and 65535, not {text!r}")
    return int(text)


def _variable(name: str) -> str:
    return f"VOKETAG_PORT_{name.upper().replace('-', '_')}"
