"""Some thousand calls that nobody meant well, as bytes on the wire: refused or answered, and none a fault of ours."""

import asyncio
from collections import Counter
from random import Random

import grpc

from services.common.rpc.methods import methods_of
from services.scan.app import DESCRIPTOR
from services.scan.settings import Settings
from tests.rpc.scan.registry import Registry
from tests.unit.scan.test_hostile_input import hostile
from voketag.scan.v1 import scan_pb2

CALLS = 4_000
LANES = 16
FAULTS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS}
METHODS = [method.name for method in methods_of(DESCRIPTOR)]
HEADERS = ("accept-language", "x-timezone", "x-screen-resolution", "x-request-id", "authorization", "x-client-address")


def body_of(random: Random, code: str) -> bytes:
    """Return a message: noise, a message of another kind, or a good one with some of its bytes made bad."""
    if random.random() < 0.3:
        return random.randbytes(random.choice((0, 1, 7, 60, 3_000)))
    text = hostile(random.randrange(1 << 30)).encode("utf-8", "replace").decode()[:500]
    messages = (
        scan_pb2.ScanRequest(code=random.choice((code, text)), device=scan_pb2.Device(timezone=text)),
        scan_pb2.ReportFraudRequest(code=random.choice((code, text)), reason=random.choice(("other", text))),
        scan_pb2.ReportFraudRequest(verification_id=text, reason="other", details=text, request_id=text),
    )
    raw = bytearray(random.choice(messages).SerializeToString())
    for _ in range(random.choice((0, 0, 1, 3))):
        if raw:
            raw[random.randrange(len(raw))] = random.randrange(256)
    return bytes(raw)


def metadata_of(random: Random) -> tuple[tuple[str, str], ...]:
    """Return headers: printable, since nothing else gets past HTTP/2."""
    return tuple(
        (name, "".join(chr(random.randint(32, 126)) for _ in range(random.choice((1, 20, 600)))))
        for name in HEADERS
        if random.random() < 0.3
    )


async def test_no_call_is_a_fault_of_ours(scan_settings: Settings, scan_server: str, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    ended: Counter[grpc.StatusCode] = Counter()
    faults: list[str] = []

    async def call_on(lane: int, channel: grpc.aio.Channel) -> None:
        random = Random(lane)  # noqa: S311 - which calls are tried is no secret
        for _ in range(CALLS // LANES):
            method, body = random.choice(METHODS), body_of(random, code)
            try:
                await channel.unary_unary(f"/{method}")(body, metadata=metadata_of(random), timeout=20)
                ended[grpc.StatusCode.OK] += 1
            except grpc.aio.AioRpcError as error:
                ended[error.code()] += 1
                if error.code() in FAULTS:
                    faults.append(f"{method} {body[:80]!r}: {error.details()}")

    async with grpc.aio.insecure_channel(scan_server) as channel:
        await asyncio.gather(*(call_on(lane, channel) for lane in range(LANES)))
        assert faults == []
        assert ended.keys() >= {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}, ended
        assert await channel.unary_unary("/voketag.scan.v1.ScanService/Health")(b"", timeout=5)
