"""The whole local stack with Envoy and anvil: one for the session, and private ones for tests that break things."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from deploy.local import python
from deploy.local.ports import scan_names
from deploy.local.stack import LocalStack
from tests.e2e.edge import Rest
from tests.e2e.edges import TRANSPORTS, edge_over
from tests.e2e.faults import wait_until
from voketag.factory.v1 import factory_pb2

# Every test comes from one address. What limits do is tested where a server has a test to itself.
UNLIMITED = {name: {"SCANS_PER_MINUTE": "0", "FAILURES_PER_MINUTE": "0"} for name in scan_names(2)}


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[LocalStack]:
    """The session's stack. Tests share it: they make their own products and batches, and break nothing."""
    yield from _running(request)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module's tests over both transports where it says OVER_BOTH_TRANSPORTS, else over the usual one."""
    if "transport" in metafunc.fixturenames:
        both = getattr(metafunc.module, "OVER_BOTH_TRANSPORTS", False)
        metafunc.parametrize("transport", TRANSPORTS if both else TRANSPORTS[:1], indirect=True, scope="session")


@pytest.fixture(scope="session")
def transport(request: pytest.FixtureRequest) -> str:
    """How REST reaches Scan."""
    return str(request.param)


@pytest.fixture(scope="session")
def rest(stack: LocalStack, transport: str) -> Iterator[Rest]:
    """REST through the session's edge, without credentials."""
    with edge_over(transport, stack) as edge:
        yield Rest(edge.url)


@pytest.fixture(scope="session")
def partner(rest: Rest, stack: LocalStack) -> Rest:
    """REST as the stack's own tenant."""
    return rest.with_key(stack.credentials["partner_api_key"])


@pytest.fixture(scope="session")
def rival_key(stack: LocalStack) -> str:
    """An API key of another tenant, with every scope."""
    settings = {"ENVIRONMENT": "local", "DATABASE_URL": stack.postgres.url("voketag_factory")}
    new = ("create-tenant", "--name", "Rival", "--verification-base-url", "https://rival.example")
    with python.Command("services.factory.cli", *new, settings=settings) as command:
        tenant = command.answer()["tenant_id"]
    new = ("create-api-key", "--tenant", tenant, "--name", "rival")
    with python.Command("services.factory.cli", *new, settings=settings) as command:
        return str(command.answer()["api_key"])


@pytest.fixture(scope="session")
def operator_token(rest: Rest, stack: LocalStack) -> str:
    """Access token of the stack's operator."""
    credentials = {"email": stack.credentials["admin_email"], "password": stack.credentials["admin_password"]}
    return str(rest("POST", "/v1/admin/auth/login", credentials).body["access_token"])


@pytest.fixture(scope="session")
def channel(stack: LocalStack) -> Iterator[grpc.Channel]:
    """gRPC through the session's edge, on the port of REST."""
    with grpc.insecure_channel(stack.credentials["edge_url"].removeprefix("http://")) as opened:
        yield opened


@dataclass(frozen=True, slots=True)
class Issued:
    """A batch whose root is on the chain."""

    product: factory_pb2.Product
    batch: factory_pb2.Batch
    units: tuple[factory_pb2.Unit, ...]


@pytest.fixture(scope="session")
def issued(partner: Rest) -> Issued:
    """Ordered over REST, as contracts.md says, and waited for."""
    product = partner("POST", "/v1/products", {"sku": f"COFFEE-{uuid4().hex[:8]}", "name": "Mountain coffee"})
    order = {"product_id": product.body["product_id"], "quantity": 5, "lot": "L-7", "expires_at": "2099-12-31"}
    batch_id = partner("POST", "/v1/batches", order).body["batch_id"]
    batch = wait_until(
        "the batch is on the chain",
        lambda: _completed(partner("GET", f"/v1/batches/{batch_id}").as_message(factory_pb2.Batch)),
        seconds=60,
        every=0.2,
    )
    units = partner("GET", f"/v1/batches/{batch_id}/units").as_message(factory_pb2.ListUnitsResponse)
    return Issued(product=product.as_message(factory_pb2.Product), batch=batch, units=tuple(units.units))


@pytest.fixture(scope="module")
def breakable(request: pytest.FixtureRequest) -> Iterator[LocalStack]:
    """A stack of the module's own, with its STACK_SETTINGS. Its tests break parts, and mend what they break."""
    yield from _running(request, settings=getattr(request.module, "STACK_SETTINGS", None))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that PostgreSQL's user can reach, which pytest's own are not."""
    made = Path(tempfile.mkdtemp(prefix="voketag-e2e-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def _completed(batch: factory_pb2.Batch) -> factory_pb2.Batch | None:
    return batch if batch.state == factory_pb2.BATCH_STATE_COMPLETED else None


def _running(request: pytest.FixtureRequest, **arguments: Any) -> Iterator[LocalStack]:
    folder = Path(tempfile.mkdtemp(prefix="voketag-e2e-"))
    folder.chmod(0o711)
    failed_before = request.session.testsfailed
    told = arguments.pop("settings", None) or {}
    made = LocalStack(folder, settings=UNLIMITED | told, **arguments)
    try:
        with made:
            yield made
    finally:
        if request.session.testsfailed > failed_before:
            sys.stderr.write(f"\nthe logs of the failed tests' stack are kept in {made.logs}\n")
            made.postgres.remove()
        else:
            made.remove()
