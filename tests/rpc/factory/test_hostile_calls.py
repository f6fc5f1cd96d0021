"""What a clumsy or hostile ERP sends: well-formed messages of every method, with values at every edge.

Each is answered or refused for a reason; none is a fault of ours, and what the tenant next to it has stays as it was.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from services.common.rpc.methods import Method, methods_of
from tests.rpc.calls import Client, Refusal, refusal_of
from tests.rpc.factory.conftest import IssueBatch
from voketag.factory.v1 import factory_pb2 as pb
from voketag.factory.v1 import webhooks_pb2

CALLS = 25
"""Of each method."""
TENANTS = [
    method
    for method in methods_of(pb.DESCRIPTOR.services_by_name["FactoryService"])
    if not method.rule.services and not method.rule.public
]
AWAY = {"ListScans", "ExportScans", "GetAnalytics"}  # Scan does not run here
TEXTS = (
    "",
    " ",
    "x",
    "A-1",
    "\u202e\u0000",
    "\ufeff",
    "é" * 300,
    "x" * 70_000,
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE units; --",
    "../../etc/passwd",
    "%00",
    "\r\nX: y",
    "https://example.org",
    "http://169.254.169.254/latest",
    "http://[::1]:9/",
    "https://a@b:0/",
    "2024-02-30",
    "9999-12-31",
    "0000-01-01",
    "4006381333931",
    "4006381333930",
    "０４００６３８１３３３９３１",
    "sku desc",
    "create_time",
    "products:read",
    "*",
    "image/svg+xml",
    "batch.completed",
    "WzFd",
    "WyIxIiwgIjIiXQ",
    "W10",
    "bnVsbA",
    "null",
    "NaN",
    "1e999",
    "00000000-0000-0000-0000-000000000000",
    "{00000000-0000-0000-0000-000000000000}",
    "0.0.0.0/0",
    "::/0",
    "10.0.0.1/33",
)
FILES = (
    b"",
    b"serial",
    b"serial\r\n",
    b"\xef\xbb\xbfserial;color\r\nA;1\r\n",
    b'serial\r\n"A',
    b"serial\n" + b"A," * 5_000,
    b"\xff\xfe\0s",
    b"serial,serial\nA,B\n",
    b"serial\n" + b"A\n" * 3,
    b"color\nred\n",
    b"serial\nS000000\n",
    b"\0" * 9_000,
    b"serial\r" + b"B\r" * 4,
)
NUMBERS = (0, 1, -1, 2, 3, 50, 255, 256, 999, 1_001, 1_000_001, 2**31 - 1, -(2**31))
MOMENTS = (1_700_000_000, 4_000_000_000, -62_135_596_800, 253_402_300_799, 253_402_300_800)
VALUES = {
    FieldDescriptor.CPPTYPE_BOOL: (False, True),
    FieldDescriptor.CPPTYPE_INT32: NUMBERS,
    FieldDescriptor.CPPTYPE_INT64: (*NUMBERS, *MOMENTS, 1 << 40, (1 << 40) + 1, 2**56, 2**63 - 1, -(2**63)),
    FieldDescriptor.CPPTYPE_UINT32: (0, 1, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 1, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: (0.0, -1.0, 1e308, float("nan"), float("inf")),
}


class Maker:
    """Makes messages out of what there is, what there is not, and what makes no sense."""

    def __init__(self, seed: int, known: Sequence[str]) -> None:
        self._random = Random(seed)  # noqa: S311 - which calls are tried is no secret
        self._known = known

    def message(self, kind: type[Message]) -> Message:
        made = kind()
        self._fill(made, depth=0)
        return made

    def _fill(self, made: Any, *, depth: int) -> None:
        dice = self._random
        for field in made.DESCRIPTOR.fields:
            if dice.random() < (0.35 if depth or len(made.DESCRIPTOR.fields) > 4 else 0.2):
                continue
            target = getattr(made, field.name)
            if field.message_type is not None and field.message_type.GetOptions().map_entry:
                for _ in range(dice.choice((0, 1, 3))):
                    target[self._value(field.message_type.fields_by_name["key"])] = self._value(
                        field.message_type.fields_by_name["value"]
                    )
            elif field.is_repeated and field.message_type is not None:
                for _ in range(dice.choice((0, 1, 2))):
                    self._fill(target.add(), depth=depth + 1)
            elif field.is_repeated:
                target.extend(self._value(field) for _ in range(dice.choice((0, 1, 1, 3))))
            elif field.message_type is not None:
                target.SetInParent()
                if depth < 4:
                    self._fill(target, depth=depth + 1)
            else:
                setattr(made, field.name, self._value(field))

    def _value(self, field: FieldDescriptor) -> Any:
        dice = self._random
        kind = field.cpp_type
        if field.type == FieldDescriptor.TYPE_BYTES:
            return dice.choice(FILES)
        if kind == FieldDescriptor.CPPTYPE_STRING:
            if field.name == "request_id":
                return dice.choice(("", str(uuid4()), self._known[0], "x"))
            return dice.choice(self._known if dice.random() < 0.6 else TEXTS)
        if kind == FieldDescriptor.CPPTYPE_ENUM:
            return dice.choice((*(value.number for value in field.enum_type.values), 99))
        return dice.choice(VALUES[kind])


@pytest.fixture
async def known(factory: Client, issue_batch: IssueBatch, product: pb.Product) -> list[str]:
    """Ids and texts that mean something to the tenant."""
    batch_id = await issue_batch(3)
    [unit, *_] = (await factory.ListUnits(pb.ListUnitsRequest(batch_id=batch_id))).units
    pending = await factory.CreateBatch(pb.CreateBatchRequest(product_id=product.product_id, quantity=5))
    key = await factory.CreateApiKey(pb.CreateApiKeyRequest(name="k", scopes=["products:read"]))
    hook = await factory.CreateWebhookEndpoint(webhooks_pb2.CreateWebhookEndpointRequest(url="http://127.0.0.1:9/hook"))
    tested = await factory.TestWebhookEndpoint(
        webhooks_pb2.TestWebhookEndpointRequest(endpoint_id=hook.endpoint.endpoint_id)
    )
    listed = await factory.ListProducts(pb.ListProductsRequest(page_size=1))
    ids = [product.product_id, batch_id, pending.batch_id, key.api_key.key_id, hook.endpoint.endpoint_id]
    return [*ids, tested.delivery_id, unit.serial, unit.code, listed.next_page_token or "W10", "OIL-1", str(uuid4())]


async def test_no_call_is_a_fault_of_ours(factory: Client, factory_of_rival: Client, known: list[str]) -> None:
    theirs = await factory_of_rival.CreateProduct(pb.CreateProductRequest(sku="R-1", name="Rival's"))
    ended: Counter[str] = Counter()
    faults: list[str] = []
    refused: list[Refusal] = []

    async def hammer(method: Method, seed: int) -> None:
        maker = Maker(seed, [*known, theirs.product_id])
        name = method.name.rpartition("/")[2]
        for _ in range(CALLS):
            sent = [maker.message(method.request) for _ in range(3 if method.client_streaming else 1)]
            try:
                await _ends(getattr(factory, name), sent, method)
                ended["OK"] += 1
            except grpc.aio.AioRpcError as error:
                ended[error.code().name] += 1
                watching = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and name == "WatchBatch"
                if watching or (error.code() is grpc.StatusCode.UNAVAILABLE and name in AWAY):
                    continue
                if error.code().name in {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "DATA_LOSS"}:
                    faults.append(f"{name}: {error.code().name} {error.details()} {str(sent)[:400]}")
                    continue
                refused.append(refusal_of(error))

    await asyncio.gather(*(hammer(method, seed) for seed, method in enumerate(TENANTS)))
    assert faults == []
    assert all(each.reason for each in refused)
    assert ended.keys() >= {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "ALREADY_EXISTS"}, ended
    assert ended["OK"] > len(TENANTS)
    assert await factory_of_rival.GetProduct(pb.GetProductRequest(product_id=theirs.product_id)) == theirs


async def _ends(call: Any, sent: Sequence[Message], method: Method) -> None:
    """Make a call and read some of its answer."""

    async def requests() -> AsyncIterator[Message]:
        for each in sent:
            yield each

    seconds = 1 if method.name.endswith("/WatchBatch") else 20
    made = call(requests() if method.client_streaming else sent[0], timeout=seconds)
    if not method.server_streaming:
        await made
        return
    async for _ in made:
        pass
