"""The second transport by itself: what it answers to what, and how it lets go of its connections."""

import asyncio
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from google.protobuf.message import Message

from services.common.caller import Caller
from services.common.errors import Unauthenticated, UnknownCode
from services.common.rpc import interceptors
from services.common.rpc.call import MAX_MESSAGE_BYTES, Call
from services.common.rpc.server import Server
from services.common.settings import ServerSettings
from tests.rpc.conftest import TokenKeys
from tests.rpc.second_door import Answer, ask, connected, frame, read_answer, request
from voketag.scan.v1 import scan_pb2

DESCRIPTOR = scan_pb2.DESCRIPTOR.services_by_name["ScanService"]
HEALTH, SCAN, READY = (f"/{DESCRIPTOR.full_name}/{name}" for name in ("Health", "Scan", "Ready"))
EMPTY = frame(b"")


class Parrot:
    """ScanService of which three methods answer: Health tells what it was told, Scan refuses, Ready never ends."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.cancelled = asyncio.Event()
        self.waiting = asyncio.Event()

    async def health(self, _request: Message, call: Call) -> scan_pb2.HealthResponse:
        self.calls.append(call)
        call.answer_metadata["x-ratelimit-remaining"] = "7"
        return scan_pb2.HealthResponse(status=call.metadata.get("x-say", ""))

    async def scan(self, _request: Message, call: Call) -> Message:
        call.answer_metadata["retry-after"] = "3"
        raise UnknownCode

    async def ready(self, _request: Message, _call: Call) -> Message:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError

    def __getattr__(self, _name: str) -> Any:
        return self.ready


@pytest.fixture
async def parrot() -> Parrot:
    return Parrot()


@pytest.fixture
def settings(token_keys: TokenKeys) -> ServerSettings:
    return ServerSettings(
        listen="127.0.0.1:0",
        http_listen="127.0.0.1:0",
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        token_public_keys=token_keys.public,
        stop_grace_seconds=1,
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: those of Unix sockets are at most a hundred characters long."""
    with tempfile.TemporaryDirectory(prefix="vkt-") as name:
        yield Path(name)


@asynccontextmanager
async def serving(settings: ServerSettings, parrot: Parrot) -> AsyncIterator[Server]:
    async def authenticate(_credential: str) -> Caller:
        raise Unauthenticated

    chain = interceptors.standard(settings, authenticate=authenticate)
    async with Server(settings=settings, services={DESCRIPTOR: parrot}, interceptors=chain) as server:
        yield server


@pytest.fixture
async def port(settings: ServerSettings, parrot: Parrot) -> AsyncIterator[int]:
    async with serving(settings, parrot) as server:
        yield server.http_port


async def test_an_answer_is_a_frame_with_its_status_in_the_trailers(port: int) -> None:
    answer = await ask(port, request(HEALTH, EMPTY, {"x-say": "hello"}))
    expected = frame(scan_pb2.HealthResponse(status="hello").SerializeToString())
    assert (answer.status, answer.body, answer.trailers) == (200, expected, {"grpc-status": "0"})
    assert answer.headers["x-ratelimit-remaining"] == "7"


async def test_an_empty_message_is_a_message(port: int) -> None:
    answer = await ask(port, request(HEALTH, EMPTY))
    assert (answer.body, answer.grpc_status) == (EMPTY, 0)


async def test_a_refusal_is_headers_alone_with_details_and_what_the_caller_is_told(port: int) -> None:
    answer = await ask(port, request(SCAN, EMPTY))
    assert (answer.status, answer.body, answer.grpc_status) == (200, b"", 5)
    assert answer.headers["grpc-message"] == "this code was not issued here"
    assert answer.headers["retry-after"] == "3"
    assert not answer.headers["grpc-status-details-bin"].endswith("=")


async def test_a_message_beyond_ascii_is_percent_encoded(port: int) -> None:
    bad = frame(scan_pb2.ScanRequest(device=scan_pb2.Device(timezone="x" * 65)).SerializeToString())
    answer = await ask(port, request(SCAN, bad))
    assert answer.grpc_status == 3
    assert unquote(answer.headers["grpc-message"]).startswith("device.timezone: ")
    assert answer.headers["grpc-message"].isascii()


async def test_a_call_knows_who_asks_until_when_and_by_which_id(port: int, parrot: Parrot) -> None:
    told = {"x-client-address": "203.0.113.9", "grpc-timeout": "1500m", "x-request-id": "mine-1", "X-Say": "a"}
    await ask(port, request(HEALTH, EMPTY, told))
    await ask(port, request(HEALTH, EMPTY, {"x-request-id": "x" * 129}))
    with_deadline, without = parrot.calls
    assert (with_deadline.client_address, with_deadline.request_id) == ("203.0.113.9", "mine-1")
    assert with_deadline.metadata["x-say"] == "a"
    assert not {"host", "content-type", "te", "transfer-encoding"} & set(with_deadline.metadata)
    assert with_deadline.deadline is not None
    assert 0 < with_deadline.deadline - time.monotonic() < 1.5
    assert (without.client_address, len(without.request_id), without.deadline) == ("127.0.0.1", 36, None)


async def test_headers_are_utf_8_or_else_latin_1(port: int, parrot: Parrot) -> None:
    for value in ("é".encode(), "é".encode("latin-1")):
        await ask(port, request(HEALTH, EMPTY, {"x-say": "VALUE"}).replace(b"VALUE", value))
    assert [call.metadata["x-say"] for call in parrot.calls] == ["é", "é"]


async def test_a_deadline_ends_a_call(port: int, parrot: Parrot) -> None:
    assert (await ask(port, request(READY, EMPTY, {"grpc-timeout": "50m"}))).grpc_status == 4
    assert parrot.cancelled.is_set()


async def test_a_body_may_come_in_parts(port: int) -> None:
    raw = request(HEALTH, EMPTY, {"x-say": "parts"})
    async with connected(port) as (reader, writer):
        for part in (raw[:40], raw[40:-12], raw[-12:-3], raw[-3:]):
            writer.write(part)
            await asyncio.sleep(0.02)
        assert (await read_answer(reader)).grpc_status == 0


async def test_a_connection_serves_one_call_after_the_other(port: int) -> None:
    async with connected(port) as (reader, writer):
        for word in ("one", "two", "three"):
            writer.write(request(HEALTH, EMPTY, {"x-say": word}))
            assert word.encode() in (await read_answer(reader)).body
        writer.write(request(SCAN, EMPTY))
        assert (await read_answer(reader)).grpc_status == 5
        writer.write(request(HEALTH, EMPTY, {"connection": "close"}))
        assert (await read_answer(reader)).grpc_status == 0
        assert await reader.read() == b""


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request("/voketag.scan.v1.ScanService/Nothing", EMPTY), 12),
        (request("/", EMPTY), 12),
        (request(HEALTH, EMPTY, verb="GET"), 12),
        (request(HEALTH, EMPTY, verb="PUT"), 12),
        (request(HEALTH, b""), 13),
        (request(HEALTH, b"\0\0\0"), 13),
        (request(HEALTH, b"\0\0\0\0\7short"), 13),
        (request(HEALTH, b"\1" + EMPTY[1:]), 13),
        (request(HEALTH, EMPTY * 2), 13),
        (request(HEALTH, EMPTY, {"grpc-timeout": "soon"}), 13),
        (request(SCAN, frame(b"\xff\xff")), 3),
        (request(SCAN, frame(b"\n\2\xff\xfe")), 3),
        (request(HEALTH, frame(b"\x12" + b"\xff" * MAX_MESSAGE_BYTES)), 8),
        (request(HEALTH, EMPTY, {f"x-{n}": "v" * 1000 for n in range(200)}), 8),
        (b"GET / HTTP/9.9\r\n\r\n", 13),
        (b"\x16\x03\x01\x02\x00\x01" * 20, 13),
    ],
    ids=lambda value: repr(value)[:60],
)
async def test_what_is_no_call_of_ours_is_refused(port: int, raw: bytes, status: int) -> None:
    answer = await ask(port, raw)
    assert (answer.status, answer.grpc_status, answer.body) == (200, status, b"")
    assert (await ask(port, request(HEALTH, EMPTY))).grpc_status == 0


async def test_headers_without_an_end_are_cut_off(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(f"POST {HEALTH} HTTP/1.1\r\nx-long: ".encode() + b"x" * 300_000)
        assert (await asyncio.wait_for(read_answer(reader), 5)).grpc_status == 8
        with suppress(ConnectionError):
            assert await reader.read() == b""


async def test_an_upgrade_is_cut_off(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(f"POST {HEALTH} HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n".encode())
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_call_ends_when_the_edge_gives_up(port: int, parrot: Parrot) -> None:
    async with connected(port) as (_, writer):
        writer.write(request(READY, EMPTY))
        await asyncio.wait_for(parrot.waiting.wait(), 5)
    await asyncio.wait_for(parrot.cancelled.wait(), 5)


async def test_a_second_request_before_the_answer_costs_the_connection(port: int, parrot: Parrot) -> None:
    async with connected(port) as (reader, writer):
        writer.write(request(READY, EMPTY) + request(HEALTH, EMPTY))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5)
    assert (await ask(port, request(HEALTH, EMPTY))).grpc_status == 0


async def test_the_door_may_be_a_unix_socket_and_one_left_behind_is_no_hindrance(
    settings: ServerSettings, parrot: Parrot, folder: Path
) -> None:
    path = folder / "door"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    settings = settings.model_copy(update={"http_listen": f"unix:{path}", "stop_grace_seconds": 0.1})
    async with serving(settings, parrot) as server:
        assert server.http_port == 0
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(request(HEALTH, EMPTY))
        assert (await read_answer(reader)).grpc_status == 0
        assert parrot.calls[0].client_address == "127.0.0.1"
        with pytest.raises(OSError, match="in use"):
            async with serving(settings, parrot):
                pass
        writer.close()


async def test_a_server_that_stops_fails_its_health_check_and_closes_connections_with_their_answers(
    settings: ServerSettings, parrot: Parrot
) -> None:
    settings = settings.model_copy(update={"drain_seconds": 0.5, "stop_grace_seconds": 5})
    check = b"GET /health HTTP/1.1\r\nhost: scan\r\n\r\n"
    async with connected_to(serving(settings, parrot)) as (server, stop, (reader, writer)):
        writer.write(check)
        assert (await read_answer(reader)).status == 200
        stopping = asyncio.create_task(stop())
        await asyncio.sleep(0.2)
        answer = await ask(server.http_port, check)
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        answer = await ask(server.http_port, request(SCAN, EMPTY))
        assert (answer.grpc_status, answer.headers["connection"]) == (5, "close")
        # The idle connection is not closed under the edge's hands: what comes over it is answered, as its last.
        await asyncio.sleep(0.6)
        assert not reader.at_eof()
        writer.write(request(HEALTH, EMPTY, {"x-say": "last"}))
        answer = await asyncio.wait_for(read_answer(reader), 5)
        assert (answer.headers["connection"], answer.grpc_status) == ("close", 0)
        started = time.monotonic()
        await stopping
        assert time.monotonic() - started < 1, "nobody is connected any more"


async def test_calls_that_outlast_the_grace_time_are_cancelled(settings: ServerSettings, parrot: Parrot) -> None:
    async with connected_to(serving(settings, parrot)) as (_, stop, (reader, writer)):
        writer.write(request(READY, EMPTY))
        await asyncio.wait_for(parrot.waiting.wait(), 5)
        stopping = asyncio.create_task(stop())
        answer: Answer = await asyncio.wait_for(read_answer(reader), 5)
        assert (answer.grpc_status, answer.headers["connection"]) == (1, "close")
        await stopping


@asynccontextmanager
async def connected_to(running: Any) -> AsyncIterator[Any]:
    """A server, the function that stops it, and a connection to it."""
    server = await running.__aenter__()
    async with connected(server.http_port) as connection:
        yield server, lambda: running.__aexit__(None, None, None), connection
