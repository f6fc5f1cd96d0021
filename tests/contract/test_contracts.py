"""What the contracts promise, held against the code: rules, reasons, methods, and rooms that are alike."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor

import services
from services.admin.servicer import AdminServicer
from services.anchor.servicer import AnchorServicer
from services.common import errors
from services.common.caller import ROLE_SCOPES, CallerKind
from services.common.errors import VokeTagError
from services.common.rpc.methods import Method, methods_of
from services.factory.servicer import FactoryServicer
from services.scan import risk
from services.scan.records_servicer import ScanHistoryServicer
from services.scan.servicer import ScanServicer
from voketag.admin.v1 import admin_pb2
from voketag.anchor.v1 import anchor_pb2
from voketag.common.v1 import errors_pb2
from voketag.factory.v1 import factory_pb2, settings_pb2
from voketag.scan.v1 import history_pb2, scan_pb2

SERVICERS = {
    admin_pb2.DESCRIPTOR.services_by_name["AdminService"]: AdminServicer,
    anchor_pb2.DESCRIPTOR.services_by_name["AnchorService"]: AnchorServicer,
    factory_pb2.DESCRIPTOR.services_by_name["FactoryService"]: FactoryServicer,
    scan_pb2.DESCRIPTOR.services_by_name["ScanService"]: ScanServicer,
    history_pb2.DESCRIPTOR.services_by_name["ScanHistoryService"]: ScanHistoryServicer,
}
METHODS = [(method, servicer) for service, servicer in SERVICERS.items() for method in methods_of(service)]
# Said by the edge, which answers for paths, methods and sizes that no service ever sees.
EDGE_REASONS = {"METHOD_NOT_FOUND", "REQUEST_TOO_LARGE", "UNIMPLEMENTED"}
ROOMS = ("admin", "anchor", "factory", "scan")
FURNITURE = ("__main__", "app", "convert", "model", "operations", "servicer", "settings", "storage", "tables")

every_method = pytest.mark.parametrize(("method", "servicer"), METHODS, ids=[method.name for method, _ in METHODS])


@every_method
def test_every_method_declares_who_may_call_it(method: Method, servicer: type) -> None:
    rule = method.rule
    assert rule.declared
    if rule.public:
        assert not rule.callers
        assert not rule.scope
        assert not rule.services
        return
    assert rule.callers
    assert bool(rule.services) == (CallerKind.SERVICE in rule.callers)
    assert bool(rule.scope) == bool(rule.callers - {CallerKind.SERVICE})


@every_method
def test_every_scope_of_a_rule_is_one_that_a_role_grants(method: Method, servicer: type) -> None:
    granted = frozenset().union(*ROLE_SCOPES.values())
    assert not method.rule.scope or method.rule.scope in granted


def _names_its_request(message: Descriptor) -> bool:
    """Say whether a message has a `request_id` that may be empty and else must be a UUID, itself or in a part of it."""
    field = message.fields_by_name.get("request_id")
    if field is None:
        parts = [part.message_type for part in message.fields if part.message_type is not None]
        return any(_names_its_request(part) for part in parts if part.file.package == message.file.package)
    rules = field.GetOptions().Extensions[validate_pb2.field]
    return bool(rules.string.uuid) and rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE


@every_method
def test_every_write_of_a_partner_takes_a_request_id(method: Method, servicer: type) -> None:
    if method.rule.scope.endswith(":write"):
        assert _names_its_request(method.request.DESCRIPTOR)


@every_method
def test_every_method_is_implemented(method: Method, servicer: type) -> None:
    implementation = getattr(servicer, method.python_name)
    if method.server_streaming:
        assert inspect.isasyncgenfunction(implementation)
    else:
        assert inspect.iscoroutinefunction(implementation)


@pytest.mark.parametrize("servicer", SERVICERS.values())
def test_a_servicer_has_no_method_beside_its_contract(servicer: type) -> None:
    declared = {method.python_name for method, owner in METHODS if owner is servicer}
    public = {name for name, _ in inspect.getmembers(servicer, inspect.isfunction) if not name.startswith("_")}
    assert public == declared


def _leaves(tree: type[VokeTagError]) -> Iterator[type[VokeTagError]]:
    yield tree
    for branch in tree.__subclasses__():
        yield from _leaves(branch)


def test_reasons_and_errors_match_one_to_one() -> None:
    for module in _modules("services"):
        importlib.import_module(module)
    declared = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118 - an EnumTypeWrapper is no mapping
    owned: dict[str, list[str]] = {}
    for leaf in _leaves(errors.VokeTagError):
        if "reason" in leaf.__dict__:
            owned.setdefault(leaf.reason, []).append(leaf.__name__)
    assert set(owned) | EDGE_REASONS == declared
    assert {reason: names for reason, names in owned.items() if len(names) > 1} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_are_alike(room: str) -> None:
    package = importlib.import_module(f"services.{room}")
    found = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert set(FURNITURE) <= found


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_says_what_it_is_for(room: str) -> None:
    for name in _modules(f"services.{room}"):
        module = importlib.import_module(name)
        assert module.__doc__, f"{name} has no docstring"


def test_migrations_form_one_line() -> None:
    """Two of one number make two heads, which no database can be upgraded to."""
    versions = sorted((Path(services.__path__[0]) / "migrations" / "versions").glob("*.py"))
    said = [re.findall(r'^(?:down_)?revision = (?:"(\d+)"|None)$', file.read_text(), re.MULTILINE) for file in versions]
    numbers = [file.name[:4] for file in versions]
    assert said == [[number, before] for number, before in zip(numbers, ["", *numbers], strict=False)]
    assert numbers == [f"{place:04d}" for place in range(1, len(versions) + 1)]


def test_importing_needs_no_environment_and_does_no_network() -> None:
    program = """
import importlib, socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("import opened a socket")
socket.socket.connect = refuse
for name in sys.argv[1:]:
    importlib.import_module(name)
"""
    names = [name for name in _modules("services") if name != "services.migrations.env"]
    subprocess.run([sys.executable, "-c", program, *names], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def _modules(package: str) -> Iterator[str]:
    root: ModuleType = services if package == "services" else importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, f"{package}."):
        # Alembic runs these itself, inside a migration.
        if "migrations.env" not in module.name and "migrations.versions" not in module.name:
            yield module.name


def test_a_tenant_can_switch_off_the_risk_factors_that_there_are_and_no_others() -> None:
    rules = settings_pb2.TenantSettings.DESCRIPTOR.fields_by_name["disabled_factors"].GetOptions()
    allowed = getattr(rules.Extensions[validate_pb2.field].repeated.items.string, "in")
    assert set(allowed) == {factor.name for factor in risk.FACTORS}
