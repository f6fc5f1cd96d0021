"""Scan of a benchmark's own: PostgreSQL, Valkey, units, one Scan process behind an Envoy for each transport, one echo
behind a third."""

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from uuid import UUID, uuid4

import asyncpg

from deploy.envoy.settings import ROOMS, EnvoySettings
from deploy.local import keys, python
from deploy.local.envoy import envoy
from deploy.local.free_ports import take_port
from deploy.local.ports import answers
from deploy.local.postgres import Postgres
from deploy.local.process import Process
from deploy.local.valkey import Valkey
from services.common import unit_keys

_TICKS = os.sysconf("SC_CLK_TCK")
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Edge:
    """An Envoy with one process behind it."""

    port: int
    pids: Mapping[str, int]


@dataclass(frozen=True)
class Room:
    """What a benchmark works with: `codes` are those of issued units."""

    postgres: Postgres
    valkey: Valkey
    codes: list[str]
    profile_file: Path
    """Where the Scan process writes its profile (bench/profile.py)."""
    echo: Edge
    """A trivial RPC over grpc.aio."""
    scan_grpc: Edge
    """The Scan process, over grpc.aio."""
    scan_http: Edge
    """The same process, over its second door."""
    direct: Mapping[str, Edge]
    """Further servers by name, without an Envoy."""

    def cpu_seconds(self, edge: Edge) -> dict[str, float]:
        """Return the CPU that each part has used so far; PostgreSQL with all of its processes."""
        pids = {**edge.pids, "valkey": self.valkey.pid or 0}
        postmaster = self.postgres.pid or 0
        used = {name: _cpu_seconds(pid) for name, pid in pids.items()}
        used["postgres"] = _cpu_seconds(postmaster) + sum(_cpu_seconds(child) for child in _children(postmaster))
        return used


@contextmanager
def open_room(folder: Path, *, units: int, direct: Mapping[str, str] = MappingProxyType({})) -> Iterator[Room]:
    """Start a room with its data in `folder`; `direct` names modules that serve Scan over HTTP by themselves."""
    secrets = keys.ensure(folder / "secrets")
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder))
        stack.callback(postgres.remove)
        valkey = stack.enter_context(Valkey(folder))
        with python.Command("services.migrations", "upgrade", settings={"DATABASE_URL": postgres.url()}) as migration:
            migration.wait()
        codes = asyncio.run(_issue(postgres.url(), secrets.unit_keys, units))
        common = {
            "ENVIRONMENT": "local",
            "LOG_CALLS": "false",
            "DATABASE_URL": postgres.url("voketag_scan"),
            "TOKEN_PUBLIC_KEYS": str(secrets.public_keys),
        }
        scan = common | {
            "HOT_STATE_URL": valkey.url(1),
            "UNIT_KEYS": str(secrets.unit_keys),
            "SERVICE_KEY": str(secrets.token_key("service-scan-1")),
            "FINGERPRINT_KEY": str(secrets.fingerprint_key),
            "VERDICT_KEYS": str(secrets.verdict_keys),
            "FACTORY_ADDRESS": "127.0.0.1:1",
            "ANCHOR_ADDRESS": "127.0.0.1:1",
        }
        echo_server = stack.enter_context(_server(folder, "echo", ["bench.echo"], common))
        profiled = ["bench.profile", "services.scan", str(folder / "profile.json")]
        scan_server = stack.enter_context(_server(folder, "scan", profiled, scan))
        yield Room(
            postgres=postgres,
            valkey=valkey,
            codes=codes,
            profile_file=folder / "profile.json",
            echo=stack.enter_context(_edge(folder, "echo", echo_server, over_http=False)),
            scan_grpc=stack.enter_context(_edge(folder, "scan-grpc", scan_server, over_http=False)),
            scan_http=stack.enter_context(_edge(folder, "scan-http", scan_server, over_http=True)),
            direct={name: stack.enter_context(_direct(folder, name, module, scan)) for name, module in direct.items()},
        )


@contextmanager
def _direct(folder: Path, name: str, module: str, settings: Mapping[str, str]) -> Iterator[Edge]:
    port = take_port()
    server = Process(
        name=name,
        command=python.command(module),
        environment=python.environment({**settings, "LISTEN": f"127.0.0.1:{port}", "SCANS_PER_MINUTE": "100"}),
        log_file=folder / "logs" / f"{name}.log",
        ready=lambda: answers(port),
    )
    with server:
        yield Edge(port=port, pids={"server": server.pid or 0})


@dataclass(frozen=True)
class _Server:
    pid: int
    listen: str
    http_listen: str


@contextmanager
def _server(folder: Path, name: str, command: Sequence[str], settings: Mapping[str, str]) -> Iterator[_Server]:
    port, http_port = take_port(), take_port()
    made = _Server(pid=0, listen=f"127.0.0.1:{port}", http_listen=f"127.0.0.1:{http_port}")
    told = {**settings, "LISTEN": made.listen, "HTTP_LISTEN": made.http_listen, "SCANS_PER_MINUTE": "100"}
    process = Process(
        name=name,
        command=python.command(*command),
        environment=python.environment(told),
        log_file=folder / "logs" / f"{name}.log",
        ready=lambda: answers(port) and answers(http_port),
    )
    with process:
        yield replace(made, pid=process.pid or 0)


@contextmanager
def _edge(folder: Path, name: str, server: _Server, *, over_http: bool) -> Iterator[Edge]:
    edge_port, admin_port = take_port(), take_port()
    front = envoy(
        EnvoySettings(
            endpoints={room: [server.listen] for room in ROOMS},
            http_endpoints={"scan": [server.http_listen]} if over_http else {},
            access_log=folder / "logs" / f"{name}-access.log",
            listen_port=edge_port,
            admin_port=admin_port,
        ),
        folder=folder / f"envoy-{name}",
        log_file=folder / "logs" / f"{name}-envoy.log",
    )
    with front:
        yield Edge(port=edge_port, pids={"server": server.pid, "envoy": front.pid or 0})


async def _issue(url: str, key_files: Path, units: int) -> list[str]:
    """Fill the registry as Factory does, and return the printed codes."""
    key = unit_keys.load(key_files)[keys.SIGNING_KEY_ID]
    minted = [key.mint(number) for number in range(units)]
    tenant, product, batch = uuid4(), uuid4(), uuid4()
    connection = await asyncpg.connect(url)  # type: ignore[no-untyped-call]
    try:
        for statement, values in _rows(tenant, product, batch, units):
            await connection.execute(statement, *values)
        await connection.execute("SELECT factory.ensure_unit_partition($1)", minted[0].unit_id)
        await connection.copy_records_to_table(
            "units",
            schema_name="factory",
            columns=["unit_id", "batch_id", "serial"],
            records=[(unit.unit_id, batch, f"S{place:07}") for place, unit in enumerate(minted)],
        )
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
    return [unit.code for unit in minted]


def _rows(tenant: UUID, product: UUID, batch: UUID, units: int) -> Iterator[tuple[str, tuple[object, ...]]]:
    key_id = keys.SIGNING_KEY_ID
    yield "INSERT INTO factory.signing_keys (key_id, created_at) VALUES ($1, $2)", (key_id, _NOW)
    yield (
        "WITH made AS (INSERT INTO factory.tenants (tenant_id, name, created_at) VALUES ($1, $2, $4)) "
        "INSERT INTO factory.tenant_settings (tenant_id, version, verification_base_url, updated_at, updated_by) "
        "VALUES ($1, 1, $3, $4, 'operator')",
        (tenant, "Acme", "https://v.example", _NOW),
    )
    yield (
        "INSERT INTO factory.products (product_id, tenant_id, sku, name, gtin, category, created_at, updated_at) "
        "VALUES ($1, $2, 'A-1', 'Azeite Extra Virgem 500 ml', '4006381333931', 'Food', $3, $3)",
        (product, tenant, _NOW),
    )
    yield (
        "INSERT INTO factory.batches (batch_id, tenant_id, product_id, quantity, issued_count, state, key_id, "
        "first_number, lot, due_at, created_at, updated_at) "
        "VALUES ($1, $2, $3, $4, $4, 'COMPLETED', $5, 0, 'L-2026-071', $6, $6, $6)",
        (batch, tenant, product, units, key_id, _NOW),
    )


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _cpu_seconds(pid: int) -> float:
    """Return what a process has used, and those of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):  # ended just now: its parent has it
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS
