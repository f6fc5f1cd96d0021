"""The operator's page names every setting that a process reads, and nothing else."""

import importlib
import re
from pathlib import Path

from pydantic_settings import BaseSettings

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_the_page_lists_exactly_the_settings_that_exist() -> None:
    declared = set()
    for room in ("common", "factory", "scan", "anchor", "admin"):
        for value in vars(importlib.import_module(f"services.{room}.settings")).values():
            if isinstance(value, type) and issubclass(value, BaseSettings):
                declared |= {f"VOKETAG_{name.upper()}" for name in value.model_fields}
    assert set(re.findall(r"^\| `(VOKETAG_[A-Z_]+)`", PAGE.read_text(), re.MULTILINE)) == declared
