"""Vectors that were made outside this code."""

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "unit_code_v1.json").read_text())
    return loaded
