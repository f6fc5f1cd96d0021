"""The kernel is pure: whoever reads its imports knows that it reaches no file, network, clock or randomness."""

import ast
import subprocess
import sys
from pathlib import Path

import voketag_kernel

ROOT = Path(voketag_kernel.__file__).parent
MODULES = sorted(path.stem for path in ROOT.glob("*.py") if path.stem != "__init__")
HARMLESS = {
    "base64",
    "binascii",
    "datetime",
    "struct",
    "uuid",
    "collections",
    "dataclasses",
    "enum",
    "hashlib",
    "hmac",
    "json",
    "re",
    "typing",
}


def imports_of(module: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_the_kernel_imports_nothing_that_could_reach_the_world() -> None:
    found = {name for path in ROOT.glob("*.py") for name in imports_of(ast.parse(path.read_text()))}
    assert found - {"voketag_kernel"} <= HARMLESS
    assert {"codes", "ledger", "notes", "receipts", "rfc6962", "tiles", "tlog"} <= set(MODULES)


def test_the_kernel_runs_where_nothing_is_installed() -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT.parent)!r})\n"
    program += "\n".join(f"import voketag_kernel.{name}" for name in MODULES)
    subprocess.run([sys.executable, "-I", "-S", "-W", "error", "-c", program], check=True)
