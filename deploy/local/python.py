"""How this repository's own programs are run: this interpreter, the repository's packages, nothing from outside."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from deploy.local.errors import StackError

ROOT = Path(__file__).parents[2]
PYTHON_PATH = os.pathsep.join(str(ROOT / folder) for folder in ("", "gen", "sdk"))

_LONGEST_SECONDS = 120


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line of `python -m module`."""
    return [sys.executable, "-m", module, *arguments]


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return a program's environment: its settings, named without their prefix, and where its packages are."""
    return {"PYTHONPATH": PYTHON_PATH} | {f"VOKETAG_{name}": value for name, value in settings.items()}


class Command:
    """A program that runs once; started at construction, so that several run at the same time.

    As a context manager it is not left behind when something else fails before it was waited for.
    """

    def __init__(self, module: str, *arguments: str, settings: Mapping[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("VOKETAG_")}
        self._line = " ".join(["python -m", module, *arguments])
        self._child = subprocess.Popen(
            command(module, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=inherited | environment(settings),
        )

    def __enter__(self) -> Self:
        """Return this; it runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it when it still runs."""
        self._child.kill()
        self._child.communicate()

    def wait(self) -> str:
        """Return what it printed; StackError with its own words when it failed."""
        printed, complaint = self._child.communicate(timeout=_LONGEST_SECONDS)
        if self._child.returncode:
            raise StackError(f"`{self._line}` failed:\n{(complaint or printed).strip()}")
        return printed

    def answer(self) -> dict[str, Any]:
        """Return the JSON object that it printed."""
        printed: dict[str, Any] = json.loads(self.wait())
        return printed
