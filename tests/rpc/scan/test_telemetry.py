"""What a Scan process tells its operator of one scan: a log line, metrics and a span, and the code in none of them."""

import asyncio
import json
import sys
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import cast

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from deploy.local.free_ports import take_port
from deploy.local.ports import answers
from deploy.local.process import Process
from services.scan.settings import Settings
from tests.rpc.scan.registry import Registry
from tests.rpc.second_door import ask, frame, request
from voketag.scan.v1 import scan_pb2

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SCAN = "/voketag.scan.v1.ScanService/Scan"


class Collector(HTTPServer):
    """Takes spans over OTLP/HTTP, as an operator's collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.exports: Queue[ExportTraceServiceRequest] = Queue()


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        cast(Collector, self.server).exports.put(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_request(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        thread = Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


async def test_one_scan_leaves_a_line_numbers_and_a_span_without_its_code(
    scan_settings: Settings, registry: Registry, collector: Collector, tmp_path: Path
) -> None:
    code = (await registry.issue()).codes[0]
    port, http_port, metrics_port = take_port(), take_port(), take_port()
    told = scan_settings.model_dump(exclude_none=True) | {
        "listen": f"127.0.0.1:{port}",
        "http_listen": f"127.0.0.1:{http_port}",
        "metrics_port": metrics_port,
        "otlp_endpoint": f"http://127.0.0.1:{collector.server_port}/v1/traces",
        "log_calls": True,
    }
    process = Process(
        name="scan",
        command=[sys.executable, "-m", "services.scan"],
        log_file=tmp_path / "scan.log",
        ready=lambda: answers(http_port),
        environment={f"VOKETAG_{name.upper()}": str(value) for name, value in told.items()}
        | {"OTEL_BSP_SCHEDULE_DELAY": "100"},
    )
    process.launch()
    try:
        process.wait_ready()
        headers = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "x-request-id": "a-request"}
        body = frame(scan_pb2.ScanRequest(code=code).SerializeToString())
        assert (await ask(http_port, request(SCAN, body, headers))).grpc_status == 0
        [resource] = collector.exports.get(timeout=10).resource_spans
        metrics = await asyncio.to_thread(_read, f"http://127.0.0.1:{metrics_port}/metrics")
    finally:
        process.stop()
    log = (tmp_path / "scan.log").read_text()
    [line] = [each for each in map(json.loads, log.splitlines()) if each["event"] == "call"]
    assert (line["method"], line["request_id"], line["code_name"]) == (SCAN[1:], "a-request", "OK")
    assert 'voketag_scan_verdicts_total{verdict="AUTHENTIC"} 1.0' in metrics
    assert f'voketag_rpc_seconds_count{{code="OK",method="{SCAN[1:]}"}} 1.0' in metrics
    [span] = [each for scope in resource.scope_spans for each in scope.spans]
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == (SCAN[1:], TRACE, "00f067aa0ba902b7")
    assert {each.key: each.value.string_value for each in span.attributes}["voketag.request_id"] == "a-request"
    assert not any(code in text for text in (log, metrics, str(resource)))


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as page:  # noqa: S310 - loopback
        text: str = page.read().decode()
        return text
