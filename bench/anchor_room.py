"""Anchor of a benchmark's own: PostgreSQL, Valkey, a chain with the registry contract, and Anchor's processes."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import asyncpg

from deploy.local import keys, python
from deploy.local.anvil import CHAIN_ID, Anvil
from deploy.local.free_ports import take_port
from deploy.local.keys import Keys
from deploy.local.ports import answers
from deploy.local.postgres import Postgres
from deploy.local.process import Process
from deploy.local.valkey import Valkey
from services.common.clock import SystemClock
from services.common.ids import uuid7
from services.common.tokens import TokenSigner


@dataclass(frozen=True)
class Room:
    """What a benchmark works with."""

    folder: Path
    postgres: Postgres
    valkey: Valkey
    anvil: Anvil
    keys: Keys
    contract: str

    def wait_in_line(self, roots: int) -> None:
        """Put roots in line at once, as SubmitAnchor does one by one."""
        asyncio.run(_wait_in_line(self.postgres.url(), roots))

    def confirmed(self) -> int:
        """Return how many roots the chain has confirmed."""
        return int(self.postgres.sql("SELECT count(*) FROM anchor.anchors WHERE state = 'CONFIRMED'"))

    def credential(self) -> str:
        """Return a token with which Factory calls Anchor."""
        signer = TokenSigner(key_file=self.keys.token_key("service-factory-1"), clock=SystemClock())
        return signer.service_token(audience="anchor")

    @contextmanager
    def worker(self, **settings: str) -> Iterator[None]:
        """Run a worker; there is no Factory, and its outcomes wait."""
        told = {
            "SERVICE_KEY": str(self.keys.token_key("service-anchor-1")),
            "CHAIN_KEY": str(self.keys.chain_key),
            "FACTORY_ADDRESS": "127.0.0.1:1",
            "METRICS_PORT": str(port := take_port()),
            **settings,
        }
        with self._process("worker", "services.anchor.worker", told, port):
            yield

    @contextmanager
    def server(self, name: str, module: str) -> Iterator[str]:
        """Run a server without a line of log for each call; yield its address."""
        port = take_port()
        told = {
            "LISTEN": f"127.0.0.1:{port}",
            "TOKEN_PUBLIC_KEYS": str(self.keys.public_keys),
            "LOG_CALLS": "false",
        }
        with self._process(name, module, told, port):
            yield f"127.0.0.1:{port}"

    def _process(self, name: str, module: str, settings: Mapping[str, str], port: int) -> Process:
        common = {
            "ENVIRONMENT": "local",
            "DATABASE_URL": self.postgres.url("voketag_anchor"),
            "QUEUE_URL": self.valkey.url(0),
            "CHAIN_RPC_URL": self.anvil.url,
            "CHAIN_ID": str(CHAIN_ID),
            "CONTRACT_ADDRESS": self.contract,
            "CONFIRMATIONS": "2",
        }
        return Process(
            name=name,
            command=python.command(module),
            environment=python.environment({**common, **settings}),
            log_file=self.folder / "logs" / f"{name}.log",
            ready=lambda: answers(port),
        )


@contextmanager
def open_room(folder: Path, *, block_seconds: int | None) -> Iterator[Room]:
    """Start a room with its data in `folder`; `block_seconds` as of `Anvil`."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder))
        stack.callback(postgres.remove)
        valkey = stack.enter_context(Valkey(folder))
        anvil = stack.enter_context(Anvil(folder, block_seconds=block_seconds))
        secrets = keys.ensure(folder / "secrets")
        chain = {
            "ENVIRONMENT": "local",
            "CHAIN_RPC_URL": anvil.url,
            "CHAIN_ID": str(CHAIN_ID),
            "CHAIN_KEY": str(secrets.chain_key),
        }
        with (
            python.Command("services.migrations", "upgrade", settings={"DATABASE_URL": postgres.url()}) as migration,
            python.Command("services.anchor.cli", "deploy-contract", settings=chain) as deployment,
        ):
            migration.wait()
            contract = str(deployment.answer()["contract_address"])
        yield Room(folder, postgres, valkey, anvil, secrets, contract)


async def _wait_in_line(url: str, roots: int) -> None:
    connection = await asyncpg.connect(url)  # type: ignore[no-untyped-call]
    try:
        await connection.executemany(
            "INSERT INTO anchor.anchors (anchor_id, batch_id, merkle_root, tree_size, state, created_at)"
            " VALUES ($1, $2, $3, 1, 'PENDING', now())",
            [(uuid7(), uuid4(), uuid4().bytes + uuid4().bytes) for _ in range(roots)],
        )
    finally:
        await connection.close()
