"""Every scan that got an answer is recorded, once, whatever is killed while scans come in."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import UUID

import grpc
import pytest

from deploy.local.free_ports import take_port
from deploy.local.ports import answers
from deploy.local.postgres import Postgres
from deploy.local.process import Process
from services.scan.settings import Settings
from tests.rpc.scan.registry import IssuedBatch, Registry
from voketag.scan.v1 import scan_pb2, scan_pb2_grpc


@pytest.fixture
def scan_process(scan_settings: Settings, tmp_path: Path) -> Process:
    """Scan as a process of its own, not started yet; `listen` of the settings is where it answers."""
    port = take_port()
    settings = scan_settings.model_dump(exclude_none=True) | {"listen": f"127.0.0.1:{port}", "scans_per_minute": 0}
    return Process(
        name=f"127.0.0.1:{port}",
        command=[sys.executable, "-m", "services.scan"],
        log_file=tmp_path / "scan.log",
        ready=lambda: answers(port),
        environment={f"VOKETAG_{name.upper()}": str(value) for name, value in settings.items()},
    )


async def test_kill_9_of_a_scan_process_loses_and_doubles_nothing(scan_process: Process, registry: Registry) -> None:
    batch = await registry.issue(20)
    scan_process.launch()
    scan_process.wait_ready()
    try:
        async with _load(scan_process.name, batch) as answered:
            await _until(lambda: len(answered) > 300)
            scan_process.kill()
    finally:
        scan_process.kill()
    await _assert_recorded_once(registry, answered)


async def test_a_crash_of_postgres_loses_and_doubles_nothing(
    scan_process: Process, registry: Registry, postgres: Postgres
) -> None:
    batch = await registry.issue(20)
    scan_process.launch()
    scan_process.wait_ready()
    try:
        async with _load(scan_process.name, batch) as answered:
            await _until(lambda: len(answered) > 300)
            try:
                postgres.kill()
            finally:
                postgres.start()
            before = len(answered)
            await _until(lambda: len(answered) > before + 100)
    finally:
        scan_process.stop()
    await _assert_recorded_once(registry, answered)


@asynccontextmanager
async def _load(address: str, batch: IssuedBatch) -> AsyncIterator[list[UUID]]:
    """Scan with 16 consumers at once for the length of the block; the list fills with what was answered."""
    answered: list[UUID] = []
    async with grpc.aio.insecure_channel(address, options=[("grpc.max_reconnect_backoff_ms", 200)]) as channel:
        stub = scan_pb2_grpc.ScanServiceStub(channel)

        async def consume(first: int) -> None:
            for turn in range(first, 1_000_000):
                code = batch.codes[turn % len(batch.codes)]
                try:
                    answer = await stub.Scan(scan_pb2.ScanRequest(code=code), timeout=5)
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.02)
                else:
                    answered.append(UUID(answer.verification_id))

        consumers = [asyncio.create_task(consume(first)) for first in range(16)]
        try:
            yield answered
        finally:
            for task in consumers:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*consumers)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what it waits for is a list that fills
            await asyncio.sleep(0.01)


async def _assert_recorded_once(registry: Registry, answered: list[UUID]) -> None:
    rows = await registry.sql("SELECT verification_id FROM scan.scan_events")
    recorded = [row["verification_id"] for row in rows]
    assert len(set(recorded)) == len(recorded)
    assert set(answered) <= set(recorded)
    counted = await registry.sql("SELECT sum(total_scans)::bigint AS total FROM scan.unit_scans")
    assert counted[0]["total"] == len(recorded)
