"""One server behind two edges, one edge a transport: the same request has the same answer, header by header."""

import http.client
import threading
from asyncio import Event, new_event_loop, sleep
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.api import httpbody_pb2
from google.protobuf.message import Message

from deploy.envoy.settings import ROOMS, EnvoySettings
from deploy.local.envoy import envoy
from deploy.local.free_ports import take_port
from services.common.caller import Caller
from services.common.errors import InvalidArgument, RateLimited, Unauthenticated, Unavailable, UnknownCode
from services.common.rpc import interceptors
from services.common.rpc.call import Call
from services.common.rpc.server import Server
from services.common.settings import ServerSettings
from tests.e2e.edges import TRANSPORTS
from voketag.scan.v1 import scan_pb2

DESCRIPTOR = scan_pb2.DESCRIPTOR.services_by_name["ScanService"]
OWN = {"date", "x-request-id", "grpc-accept-encoding", "grpc-message"}
"""Headers that differ from answer to answer, and what grpc.aio says to peers of its own kind."""


class Actor:
    """ScanService that does what the code says."""

    async def scan(self, request: scan_pb2.ScanRequest, call: Call) -> scan_pb2.ScanResponse:
        call.answer_metadata["x-ratelimit-remaining"] = "7"
        match request.code:
            case "empty":
                return scan_pb2.ScanResponse()
            case "large":
                return scan_pb2.ScanResponse(message="é" * 1_000_000)
            case "unknown":
                raise UnknownCode
            case "field":
                raise InvalidArgument.of("device.größe", 'too "large" by 100%\n')
            case "limited":
                call.answer_metadata["retry-after"] = "12"
                raise RateLimited("come back later", retry_after_seconds=11.5)
            case "away":
                raise Unavailable
            case "fault":
                raise ZeroDivisionError
            case "slow":
                await sleep(10)
        told = f"{call.client_address} {call.metadata.get('x-timezone')} {call.request_id} {request.device.timezone}"
        return scan_pb2.ScanResponse(message=told, risk_score=-1)

    async def open_scan_page(self, request: scan_pb2.OpenScanPageRequest, _call: Call) -> httpbody_pb2.HttpBody:
        if request.code == "nothing":
            return httpbody_pb2.HttpBody(content_type="text/html; charset=utf-8")
        return httpbody_pb2.HttpBody(content_type="text/html; charset=utf-8", data="<p>é</p>".encode() * 30_000)

    async def submit_report_form(self, request: scan_pb2.SubmitReportFormRequest, _call: Call) -> Message:
        return httpbody_pb2.HttpBody(content_type=request.form.content_type or "text/plain", data=request.form.data)

    def __getattr__(self, _name: str) -> Any:
        return self.scan


@dataclass(frozen=True)
class Got:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The ports of the two edges by transport."""
    folder = tmp_path_factory.mktemp("alike")
    with _served(folder) as server:
        running, ports = [], {}
        for transport in TRANSPORTS:
            settings = EnvoySettings(
                endpoints={room: [f"127.0.0.1:{server.port}"] for room in ROOMS},
                http_endpoints={"scan": [f"127.0.0.1:{server.http_port}"]} if transport == "http/1.1" else {},
                access_log=folder / "access.log",
                listen_port=take_port(),
                admin_port=take_port(),
                timeouts_seconds={"scan": 1, "factory": 1, "admin": 1, "anchor": 1},
            )
            name = transport.replace("/", "-")
            running.append(envoy(settings, folder=folder / name, log_file=folder / f"{name}.log"))
            running[-1].start()
            ports[transport] = settings.listen_port
        yield ports
        for each in running:
            each.stop()


@pytest.mark.parametrize(
    ("verb", "path", "body", "status"),
    [
        ("GET", "/v1/scan/fine", None, 200),
        ("GET", "/v1/scan/empty", None, 200),
        ("GET", "/v1/scan/large", None, 200),
        ("POST", "/v1/scan", b'{"code": "fine", "device": {"timezone": "\\u00e9"}}', 200),
        ("POST", "/v1/scan", b'{"code": "%s"}' % (b"x" * 12_000), 200),
        ("POST", "/v1/scan", b"", 200),
        ("GET", "/v1/scan/unknown", None, 404),
        ("GET", "/v1/scan/field", None, 400),
        ("GET", "/v1/scan/limited", None, 429),
        ("GET", "/v1/scan/away", None, 503),
        ("GET", "/v1/scan/fault", None, 500),
        ("GET", "/v1/scan/slow", None, 504),
        ("GET", "/v1/scan?code=fine&surprise=1", None, 400),
        ("POST", "/v1/scan", b'{"device": {"timezone": "%s"}}' % (b"x" * 65), 400),
        ("POST", "/v1/scan", b'{"code": ', 400),
        ("POST", "/v1/scan", b'{"code": "%s"}' % (b"x" * 40_000), 413),
        ("GET", "/r/page?utm_source=chat", None, 200),
        ("GET", "/r/nothing", None, 200),
        ("HEAD", "/v1/scan/fine", None, 404),
        ("HEAD", "/r/page", None, 200),
        ("OPTIONS", "/v1/scan", None, 404),
        ("PUT", "/v1/scan", b"{}", 404),
        ("POST", "/r/page/report", b"reason=other&details=%E9", 200),
        ("GET", "/v1/nothing", None, 404),
    ],
    ids=lambda value: str(value)[:40],
)
def test_the_answer_is_the_same(edges: dict[str, int], verb: str, path: str, body: bytes | None, status: int) -> None:
    headers = {
        "x-request-id": "alike-1",
        "x-timezone": "é".encode().decode("latin-1"),
        "x-forwarded-for": "6.6.6.6, 203.0.113.9",
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "content-type": "application/x-www-form-urlencoded" if "report" in path else "application/json",
    }
    over_http, over_grpc = (_ask(edges[transport], verb, path, body, headers) for transport in TRANSPORTS)
    assert over_http == over_grpc
    assert over_http.status == status


@pytest.mark.parametrize(("timeout", "status"), [("200m", 504), ("5S", 200), ("1n", 504), ("soon", 400)])
def test_a_deadline_holds_the_same(edges: dict[str, int], timeout: str, status: int) -> None:
    path = "/v1/scan/slow" if timeout == "200m" else "/v1/scan/fine"
    over_http, over_grpc = (_ask(edges[each], "GET", path, None, {"grpc-timeout": timeout}) for each in TRANSPORTS)
    assert over_http.status == over_grpc.status == status


def _ask(port: int, verb: str, path: str, body: bytes | None, headers: dict[str, str]) -> Got:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(verb, path, body, headers)
        with connection.getresponse() as answer:
            told = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in OWN}
            return Got(answer.status, told, answer.read())


class _served:  # noqa: N801 - a context manager
    """Runs the server in a thread of its own: the tests block."""

    def __init__(self, folder: Path) -> None:
        self._settings = ServerSettings(
            listen="127.0.0.1:0",
            http_listen="127.0.0.1:0",
            database_url="postgresql://nobody@127.0.0.1:1/nothing",
            token_public_keys=folder,
            log_calls=False,
            stop_grace_seconds=0.1,
        )
        self._started: Future[tuple[Server, Any, Event]] = Future()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Server:
        self._thread.start()
        return self._started.result(10)[0]

    def __exit__(self, *_: object) -> None:
        _, loop, stop = self._started.result()
        loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    def _run(self) -> None:
        loop = new_event_loop()
        loop.run_until_complete(self._serve(loop))
        loop.close()

    async def _serve(self, loop: Any) -> None:
        async def authenticate(_credential: str) -> Caller:
            raise Unauthenticated

        chain = interceptors.standard(self._settings, authenticate=authenticate)
        async with Server(settings=self._settings, services={DESCRIPTOR: Actor()}, interceptors=chain) as server:
            stop = Event()
            self._started.set_result((server, loop, stop))
            await stop.wait()
