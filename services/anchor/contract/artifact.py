"""The committed build of AnchorRegistry: what every deployment sends and every connection compares with.

Reading needs no compiler, so that no running service carries one. `build.py` makes the file.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

SOURCE_PATH = Path(__file__).parent / "AnchorRegistry.vy"
ARTIFACT_PATH = Path(__file__).parent / "AnchorRegistry.json"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One build of the contract. Byte code is lower-case hex with 0x; `init_bytecode` lacks constructor arguments."""

    contract: str
    compiler: str
    settings: dict[str, str]
    source_sha256: str
    abi: list[dict[str, Any]]
    init_bytecode: str
    runtime_bytecode: str

    def to_json(self) -> str:
        """The artifact file's text; the same artifact always gives the same bytes."""
        return json.dumps(asdict(self), indent=2) + "\n"


@cache
def load_artifact() -> Artifact:
    """Read the committed artifact. OSError or TypeError mean a broken installation."""
    return Artifact(**json.loads(ARTIFACT_PATH.read_text("utf-8")))
