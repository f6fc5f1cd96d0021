"""The processes of the platform itself, and what each is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from deploy.local import python
from deploy.local.anvil import CHAIN_ID, Anvil
from deploy.local.keys import LEDGER_ORIGIN, SIGNING_KEY_ID, Keys
from deploy.local.ports import Ports, answers, scan_names
from deploy.local.postgres import Postgres
from deploy.local.process import Process
from deploy.local.valkey import Valkey

Settings = Mapping[str, str]
"""Environment of a process, without the prefix VOKETAG_."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """What the services need to know of each other and of the parts that they stand on."""

    ports: Ports
    keys: Keys
    postgres: Postgres
    valkey: Valkey
    anvil: Anvil
    contract_address: str
    scan_processes: int

    def address(self, name: str) -> str:
        """Return where a service listens."""
        return f"127.0.0.1:{self.ports[name]}"

    def chain(self) -> Settings:
        """Return what a process is told about the chain."""
        return {
            "CHAIN_RPC_URL": self.anvil.url,
            "CHAIN_ID": str(CHAIN_ID),
            "CONTRACT_ADDRESS": self.contract_address,
            "CONFIRMATIONS": "2",
        }


def processes(near: Neighbours, *, logs: Path, extra: Mapping[str, Settings]) -> list[Process]:
    """Return every process of the platform; `extra` are further settings by process, which win."""
    made = []
    for name, (module, settings) in _all(near).items():
        told = {**_common(near, name), **settings, **extra.get(name, {})}
        made.append(
            Process(
                name=name,
                command=python.command(module),
                environment=python.environment(told),
                log_file=logs / f"{name}.log",
                ready=_ready(near, name),
                start_seconds=60,  # all of them start at once, on machines with two busy cores, too
            )
        )
    return made


def serving(address: str) -> bool:
    """Tell whether the gRPC server at `host:port` says that it serves."""
    with grpc.insecure_channel(address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _all(near: Neighbours) -> dict[str, tuple[str, Settings]]:
    keys, anchor, factory = near.keys, near.address("anchor"), near.address("factory")
    units = {"UNIT_KEYS": str(keys.unit_keys)}
    issuing = units | {"SIGNING_KEY_ID": str(SIGNING_KEY_ID)}
    webhooks = {"WEBHOOK_KEYS": str(keys.webhook_keys), "WEBHOOK_PRIVATE_TARGETS": "true"}
    hot_state = {"HOT_STATE_URL": near.valkey.url(1)}

    def as_service(name: str) -> Settings:
        return {"SERVICE_KEY": str(keys.token_key(f"service-{name}-1"))}

    scan = {
        **_server(near, "scan-1"),
        **units,
        **hot_state,
        **as_service("scan"),
        "FINGERPRINT_KEY": str(keys.fingerprint_key),
        "VERDICT_KEYS": str(keys.verdict_keys),
        "FACTORY_ADDRESS": factory,
        "ANCHOR_ADDRESS": anchor,
    }
    worker = {"ANCHOR_ADDRESS": anchor, **as_service("factory"), **issuing, **hot_state, **webhooks}
    anchoring = {
        **near.chain(),
        **as_service("anchor"),
        "CHAIN_KEY": str(keys.chain_key),
        "FACTORY_ADDRESS": factory,
        "POLL_SECONDS": "0.5",
    }
    scanning = {
        **as_service("scan"),
        "FACTORY_ADDRESS": factory,
        "LEDGER_KEY": str(keys.ledger_key),
        "LEDGER_ORIGIN": LEDGER_ORIGIN,
        "LEDGER_ANCHOR_SECONDS": "10",
        "ANCHOR_ADDRESS": anchor,
    }
    return {
        "anchor": ("services.anchor", {**_server(near, "anchor"), **near.chain(), "VERIFY_PER_MINUTE": "600"}),
        "factory": (
            "services.factory",
            {
                **_server(near, "factory"),
                **issuing,
                **hot_state,
                **webhooks,
                **as_service("factory"),
                "SCAN_ADDRESS": near.address("scan-1"),
                "STATEMENT_KEYS": str(keys.statement_keys),
            },
        ),
        "admin": ("services.admin", _server(near, "admin") | {"USER_TOKEN_KEY": str(keys.token_key("user-1"))}),
        "factory-worker": ("services.factory.worker", worker),
        "anchor-worker": ("services.anchor.worker", anchoring),
        "scan-worker": ("services.scan.worker", scanning),
        **{name: ("services.scan", {**scan, **_server(near, name)}) for name in scan_names(near.scan_processes)},
    }


def _common(near: Neighbours, name: str) -> dict[str, str]:
    room = name.partition("-")[0]
    return {
        "ENVIRONMENT": "local",
        "DATABASE_URL": near.postgres.url(f"voketag_{room}"),
        "QUEUE_URL": near.valkey.url(0),
        "METRICS_PORT": str(near.ports[f"{name}-metrics"]),
    }


def _server(near: Neighbours, name: str) -> dict[str, str]:
    second_door = {"HTTP_LISTEN": near.address(f"{name}-http")} if f"{name}-http" in near.ports else {}
    return {"LISTEN": near.address(name), "TOKEN_PUBLIC_KEYS": str(near.keys.public_keys)} | second_door


def _ready(near: Neighbours, name: str) -> Callable[[], bool]:
    if name in near.ports:
        return partial(serving, near.address(name))
    return partial(answers, near.ports[f"{name}-metrics"])
