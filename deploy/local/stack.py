"""The whole stack in dependency order: up from PostgreSQL to Envoy, down the other way."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, Self

from deploy.envoy.settings import ROOMS, EnvoySettings
from deploy.local import bootstrap, keys, record
from deploy.local.anvil import CHAIN_ID, Anvil
from deploy.local.envoy import envoy
from deploy.local.ports import Ports, check_free, free_ports, scan_names
from deploy.local.postgres import Postgres
from deploy.local.services import Neighbours, Settings, processes
from deploy.local.valkey import Valkey


class Part(Protocol):
    """Anything of the stack that starts and stops."""

    name: str

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""

    @property
    def running(self) -> bool:
        """It has started and not ended."""

    def start(self) -> None:
        """Start and wait until it answers; nothing happens when it runs."""

    def stop(self) -> None:
        """Stop; nothing happens when it does not run."""

    def kill(self) -> None:
        """Crash."""


class LocalStack:
    """Every part on this machine, with its own ports, secrets and data under one folder.

    Parts go by name: `postgres`, `valkey`, `anvil`, `anchor`, `factory`, `admin`, `factory-worker`, `anchor-worker`,
    `scan-worker`, `scan-1`, `scan-2`..., `envoy`. On Linux a part dies with the *thread* that started it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        ports: Ports | None = None,
        scan_processes: int = 2,
        settings: Mapping[str, Settings] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`ports` None takes free ones; `settings` are further settings by process, without the prefix VOKETAG_."""
        self.data_dir = data_dir.resolve()
        self.logs = self.data_dir / "logs"
        self.credentials_file = self.data_dir / "credentials.json"
        self.ports = ports or free_ports(scan_processes)
        self.postgres = Postgres(self.data_dir, port=self.ports["postgres"])
        self.valkey = Valkey(self.data_dir, port=self.ports["valkey"])
        self.anvil = Anvil(self.data_dir, port=self.ports["anvil"])
        self._scan_processes = scan_processes
        self._settings = settings or {}
        self._say = say
        self._record_file = self.data_dir / "stack.json"
        self._holding = ExitStack()
        self._parts: dict[str, Part] = {}

    def __enter__(self) -> Self:
        """Start."""
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.down()

    @property
    def credentials(self) -> dict[str, Any]:
        """How to reach the stack: the content of `credentials.json`."""
        read: dict[str, Any] = json.loads(self.credentials_file.read_text())
        return read

    @property
    def parts(self) -> Mapping[str, Part]:
        """Every part that was started, in the order of starting."""
        return self._parts

    def up(self) -> None:
        """Start everything and wait until it answers; nothing is left running when that fails."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._holding.enter_context(record.sole_user(self.data_dir))
        try:
            check_free(self.ports)
            self._start_all()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Stop everything in reverse order. What a signal interrupts here, a second call completes."""
        while self._parts:
            name = next(reversed(self._parts))
            self._say(f"stopping {name}")
            self._parts[name].stop()
            del self._parts[name]
        self._record_file.unlink(missing_ok=True)
        self._holding.close()

    def remove(self) -> None:
        """Stop, and remove every trace."""
        self.down()
        self.postgres.remove()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def start(self, name: str) -> None:
        """Start one part again and wait until it answers."""
        self._parts[name].start()
        self._write_record()

    def stop(self, name: str) -> None:
        """Stop one part, as an operator would."""
        self._parts[name].stop()

    def kill(self, name: str) -> None:
        """Crash one part: SIGKILL to it and to the processes that it started."""
        self._parts[name].kill()

    def pause(self, name: str) -> None:
        """Freeze one part (SIGSTOP): it holds its connections and answers nothing."""
        self._signal(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a frozen part go on."""
        self._signal(name, signal.SIGCONT)

    def sql(self, statement: str) -> str:
        """Run a statement as the database's superuser; rows as lines, columns separated by `|`."""
        return self.postgres.sql(statement)

    def _start_all(self) -> None:
        secrets = keys.ensure(self.data_dir / "secrets")
        progress = bootstrap.Progress(secrets.folder / "bootstrap.json")
        for part in (self.postgres, self.valkey, self.anvil):
            self._start_part(part)
        self._say("preparing the database and the contract")
        contract = bootstrap.prepare(postgres=self.postgres, anvil=self.anvil, keys=secrets, progress=progress)
        near = Neighbours(
            ports=self.ports,
            keys=secrets,
            postgres=self.postgres,
            valkey=self.valkey,
            anvil=self.anvil,
            contract_address=contract,
            scan_processes=self._scan_processes,
        )
        self._start_services(near, progress)
        self._start_part(envoy(self.edge_settings(), folder=self.data_dir / "envoy", log_file=self.logs / "envoy.log"))
        self._write_credentials(secrets, progress, contract)

    def _start_part(self, part: Part) -> None:
        self._say(f"starting {part.name}")
        self._parts[part.name] = part
        part.start()
        self._write_record()

    def _start_services(self, near: Neighbours, progress: bootstrap.Progress) -> None:
        services = processes(near, logs=self.logs, extra=self._settings)
        self._say(f"starting {', '.join(service.name for service in services)}")
        for service in services:  # all at once: they need each other only when they are called
            self._parts[service.name] = service
            service.launch()
        self._write_record()
        bootstrap.first_tenant(
            postgres=self.postgres, keys=near.keys, progress=progress, verification_base_url=self._edge_url
        )
        for service in services:
            service.wait_ready()

    def edge_settings(self) -> EnvoySettings:
        """Return what the edge is told; another edge of the same stack differs in its ports."""
        names = {room: [room] for room in ROOMS} | {"scan": scan_names(self._scan_processes)}
        return EnvoySettings(
            endpoints={room: [self._address(name) for name in each] for room, each in names.items()},
            http_endpoints={"scan": [self._address(f"{name}-http") for name in names["scan"]]},
            access_log=self.logs / "access.log",
            listen_port=self.ports["edge"],
            admin_port=self.ports["edge-admin"],
        )

    def _write_credentials(self, secrets: keys.Keys, progress: bootstrap.Progress, contract: str) -> None:
        credentials = {
            "partner_api_key": progress.get("partner_api_key"),
            "admin_email": bootstrap.ADMIN_EMAIL,
            "admin_password": secrets.admin_password.read_text(),
            "edge_url": self._edge_url,
            "grpc": {room: self._address("scan-1" if room == "scan" else room) for room in ROOMS},
            "chain_rpc_url": self.anvil.url,
            "contract_address": contract,
            "ledger_key": secrets.ledger_verifier(),
            "chain_id": CHAIN_ID,
            "tenant_id": progress.get("tenant_id"),
            "database_url": self.postgres.url(),
            "scan_endpoints": [self._address(name) for name in scan_names(self._scan_processes)],
        }
        keys.write_private(self.credentials_file, json.dumps(credentials, indent=2) + "\n")

    def _write_record(self) -> None:
        record.write(self._record_file, ((name, part.pid) for name, part in self._parts.items()))

    def _signal(self, name: str, number: signal.Signals) -> None:
        pid = self._parts[name].pid
        if pid is not None:
            os.kill(pid, number)

    @property
    def _edge_url(self) -> str:
        return f"http://{self._address('edge')}"

    def _address(self, name: str) -> str:
        return f"127.0.0.1:{self.ports[name]}"
