"""The operator's page names every setting that a process reads and every metric that it shows, and nothing else."""

import importlib
import pkgutil
import re
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram
from pydantic_settings import BaseSettings

import services

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_the_page_lists_exactly_the_settings_that_exist() -> None:
    declared = set()
    for room in ("common", "factory", "scan", "anchor", "admin"):
        for value in vars(importlib.import_module(f"services.{room}.settings")).values():
            if isinstance(value, type) and issubclass(value, BaseSettings):
                declared |= {f"VOKETAG_{name.upper()}" for name in value.model_fields}
    assert set(re.findall(r"^\| `(VOKETAG_[A-Z_]+)`", PAGE.read_text(), re.MULTILINE)) == declared


def test_the_page_lists_exactly_the_metrics_that_exist() -> None:
    declared = set()
    for module in pkgutil.walk_packages(services.__path__, "services."):
        if not module.name.startswith("services.migrations") and not module.name.endswith("__main__"):
            values = vars(importlib.import_module(module.name)).values()
            declared |= {value.describe()[0].name for value in values if isinstance(value, Counter | Gauge | Histogram)}
    roles = {"voketag_factory"}
    assert set(re.findall(r"`(voketag_[a-z_]+)`", PAGE.read_text())) - roles == declared
