"""Alert rules ask for metrics that exist, with labels that they have, and tell operators what to do."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

import services

FILES = sorted((Path(__file__).parents[2] / "deploy" / "prometheus").glob("*.rules.yaml"))
_SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_count", "_sum", "_bucket")}
_DEFINITION = re.compile(r"= (Counter|Gauge|Histogram)\(")
_NAME = re.compile(r"\bvoketag_[a-z0-9_]+")
_SELECTOR = re.compile(r"\b(voketag_[a-z0-9_]+)\{([^}]*)\}")
_BY = re.compile(r"\bby \(([^)]*)\)\s*\((?:[a-z_]+\()?(voketag_[a-z0-9_]+)")
_DURATION = re.compile(r"[0-9]+[smhdw]")


def _defined() -> dict[str, set[str]]:
    """Labels of every series that the services define, by its name as Prometheus has it."""
    root = Path(services.__path__[0])
    for path in sorted(root.rglob("*.py")):
        if _DEFINITION.search(path.read_text(encoding="utf-8")):
            importlib.import_module(".".join(("services", *path.relative_to(root).with_suffix("").parts)))
    found = {}
    for metric in set(REGISTRY._collector_to_names):
        if isinstance(metric, MetricWrapperBase):
            for suffix in _SUFFIXES[metric._type]:
                found[metric._name + suffix] = set(metric._labelnames)
    return found


def _rules() -> list[dict[str, Any]]:
    groups = [group for file in FILES for group in json.loads(file.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def _name(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


DEFINED = _defined()
RULES = _rules()


def test_there_are_rules_and_the_services_define_metrics() -> None:
    assert FILES
    assert {"voketag_anchor_waiting", "voketag_rpc_seconds_count", "voketag_upkeep_leader"} <= DEFINED.keys()


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_a_rule_asks_for_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    asked = set(_NAME.findall(rule["expr"]))
    assert asked
    assert asked <= DEFINED.keys()
    for name, selector in _SELECTOR.findall(rule["expr"]):
        assert {part.partition("=")[0].rstrip("!") for part in selector.split(",")} <= DEFINED[name]
    for labels, name in _BY.findall(rule["expr"]):
        assert {label.strip() for label in labels.split(",")} <= DEFINED[name]
    assert rule["expr"].count("(") == rule["expr"].count(")")


@pytest.mark.parametrize("rule", [rule for rule in RULES if "alert" in rule], ids=_name)
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "action"}
    assert _DURATION.fullmatch(rule.get("for", "0s"))
    for labels in re.findall(r"\$labels\.([a-z_]+)", rule["annotations"]["summary"]):
        assert re.search(rf"by \([^)]*\b{labels}\b", rule["expr"]), f"{labels} is not a label of the result"


def test_no_alert_has_the_name_of_another() -> None:
    assert len(set(map(_name, RULES))) == len(RULES)


def test_states_and_events_in_rules_are_some_that_are_counted() -> None:
    known = {
        "state": {"pending", "submitted", "failed"},
        "event": {"signed", "replaced", "confirmed", "failed", "filler"},
    }
    for rule in RULES:
        for _, selector in _SELECTOR.findall(rule["expr"]):
            for name, value in re.findall(r'(state|event)="([^"]*)"', selector):
                assert value in known[name]
