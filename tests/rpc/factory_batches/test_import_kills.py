"""Files and changes of many units while the processes that do them are killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from google.api import httpbody_pb2

from deploy.local.free_ports import take_port
from services.factory.settings import Settings
from tests.rpc.calls import Client, whole
from tests.rpc.conftest import Partner
from tests.rpc.factory_batches.conftest import Worker, reached
from voketag.factory.v1 import factory_pb2 as pb
from voketag.factory.v1 import factory_pb2_grpc, imports_pb2

ROWS = 150_000
SERIALS = [f"KILL-{number:06d}" for number in range(ROWS)]
WRITERS = """
SELECT count(*) FROM pg_locks WHERE relation = 'factory.unit_state_jobs'::regclass AND mode = 'RowExclusiveLock'
"""
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
LISTED = 800_000
LIST = "\n".join(["serial", *(f"{number:07d}" for number in range(LISTED))]).encode()
FILE = "\n".join(["serial,colour", *(f"{serial},red" for serial in SERIALS)]).encode()


async def stream(product: pb.Product, request_id: str, *, until: int = len(FILE)) -> AsyncIterator[object]:
    """The file in pieces, up to some byte of it; then the client says nothing more for a while."""
    order = imports_pb2.ImportOrder(product_id=product.product_id, request_id=request_id, size_bytes=len(FILE))
    yield imports_pb2.ImportUnitsRequest(order=order)
    for start in range(0, until, 100_000):
        yield imports_pb2.ImportUnitsRequest(chunk=FILE[start : min(start + 100_000, until)])
    if until < len(FILE):
        await asyncio.sleep(60)


@dataclass(frozen=True)
class Server:
    """A Factory server as a process of its own, called with Acme's key, again and again."""

    port: int
    environment: dict[str, str]
    folder: Path
    api_key: str

    @asynccontextmanager
    async def started(self) -> AsyncIterator[tuple[Client, "subprocess.Popen[bytes]"]]:
        """A client of a new process, and the process, which is gone after the block."""
        process = self._start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{self.port}") as channel:
                try:
                    await asyncio.wait_for(channel.channel_ready(), 40)
                except TimeoutError:
                    raise AssertionError((self.folder / "server.log").read_text()[-2000:]) from None
                yield Client(factory_pb2_grpc.FactoryServiceStub(channel), self.api_key), process
        finally:
            process.kill()
            process.wait()
        assert [path.name for path in self.folder.iterdir()] == ["server.log"]  # no spool stays

    def _start(self) -> "subprocess.Popen[bytes]":
        with (self.folder / "server.log").open("ab") as log:
            return subprocess.Popen([sys.executable, "-m", "services.factory"], env=self.environment, stderr=log)


@pytest.fixture
def server(acme: Partner, factory_settings: Settings, tmp_path: Path) -> Server:
    """A server that is not started yet."""
    port = take_port()
    environment = {
        **os.environ,
        "VOKETAG_LISTEN": f"127.0.0.1:{port}",
        "VOKETAG_ENVIRONMENT": "local",
        "VOKETAG_DATABASE_URL": factory_settings.database_url,
        "VOKETAG_QUEUE_URL": factory_settings.queue_url,
        "VOKETAG_HOT_STATE_URL": factory_settings.hot_state_url,
        "VOKETAG_TOKEN_PUBLIC_KEYS": str(factory_settings.token_public_keys),
        "VOKETAG_UNIT_KEYS": str(factory_settings.unit_keys),
        "VOKETAG_WEBHOOK_KEYS": str(factory_settings.webhook_keys),
        "VOKETAG_SIGNING_KEY_ID": "1",
        "TMPDIR": str(tmp_path),
    } | {
        f"VOKETAG_{name.upper()}": str(value)
        for name, value in factory_settings.model_dump().items()
        if name in {"statement_key", "statement_keys", "scan_address", "service_key"} and value is not None
    }
    return Server(port, environment, tmp_path, acme.api_key)


async def exported(factory: Client, batch: pb.Batch) -> list[str]:
    """The serials of a batch's export."""
    chunks = await whole(factory.ExportUnits(pb.ExportUnitsRequest(batch_id=batch.batch_id), timeout=60))
    lines = b"".join(chunk.data for chunk in chunks).decode().splitlines()[1:]
    return [line.split(",")[2] for line in lines]


@pytest.mark.timeout(400)
async def test_workers_killed_while_they_issue_a_file_and_change_its_units_double_and_lose_nothing(
    factory: Client, product: pb.Product, worker: Worker, sql: Callable[[str], str]
) -> None:
    batch = await factory.ImportUnits(stream(product, str(uuid4())), timeout=60)
    worker.start()
    async with asyncio.timeout(90):
        while not 0 < (await factory.GetBatch(pb.GetBatchRequest(batch_id=batch.batch_id))).issued_count < ROWS:  # noqa: ASYNC110 - another's row
            await asyncio.sleep(0.005)
    worker.kill()
    worker.start()
    await reached(factory, batch.batch_id, pb.BATCH_STATE_ANCHORING, seconds=90)
    assert await exported(factory, batch) == SERIALS

    job = await factory.SetUnitStates(
        pb.SetUnitStatesRequest(range=pb.UnitRange(batch_id=batch.batch_id), state=pb.UNIT_STATE_RECALLED)
    )
    wanted = pb.GetUnitStateJobRequest(job_id=job.job_id)
    async with asyncio.timeout(90):
        while not 0 < (await factory.GetUnitStateJob(wanted)).done < ROWS:  # noqa: ASYNC110 - another's row
            await asyncio.sleep(0.005)
    worker.kill()
    half = int(sql("SELECT count(*) FROM factory.units WHERE state = 3"))
    assert half == (await factory.GetUnitStateJob(wanted)).changed < ROWS
    worker.start()
    async with asyncio.timeout(90):
        while (done := await factory.GetUnitStateJob(wanted)).state != pb.JOB_STATE_DONE:  # noqa: ASYNC110 - another's row
            await asyncio.sleep(0.1)
    assert (done.done, done.changed) == (ROWS, ROWS)
    assert sql("SELECT count(*) FROM factory.units WHERE state = 3") == str(ROWS)


@pytest.mark.timeout(400)
async def test_a_server_killed_in_any_step_of_an_import_leaves_nothing_and_the_same_request_succeeds(
    factory: Client, product: pb.Product, server: Server, sql: Callable[[str], str]
) -> None:
    request_id = str(uuid4())
    for step, seconds in (("arriving", 0.3), ("ordering", 0.05), ("ordering", 0.3), ("ordering", 0.8)):
        async with server.started() as (client, process):
            until = len(FILE) // 2 if step == "arriving" else len(FILE)
            call = asyncio.ensure_future(client.ImportUnits(stream(product, request_id, until=until), timeout=60))
            if step == "ordering":
                # The transaction holds the lock of the tenant's imports from its first statement on.
                await begun(call, sql, LOCKS)
            await asyncio.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            with suppress(grpc.aio.AioRpcError):
                await call
        await ended(sql, LOCKS)
        tables = ("batches", "serials", "import_rows", "imports", "idempotency WHERE method LIKE '%/ImportUnits'")
        counts = {sql(f"SELECT count(*) > 0 FROM factory.{table}") for table in tables}  # noqa: S608 - our own names
        assert len(counts) == 1, "all of it, or nothing"
    batch = await factory.ImportUnits(stream(product, request_id), timeout=60)
    assert batch.quantity == ROWS
    assert sql("SELECT count(*) FROM factory.batches") == "1"
    assert sql("SELECT count(*) FROM factory.serials") == str(ROWS)


@pytest.mark.timeout(400)
async def test_a_server_killed_while_it_orders_a_change_of_many_units_orders_all_of_it_or_nothing(
    factory: Client, server: Server, sql: Callable[[str], str]
) -> None:
    request = pb.SetUnitStatesCsvRequest(
        state=pb.UNIT_STATE_RECALLED,
        request_id=str(uuid4()),
        file=httpbody_pb2.HttpBody(content_type="text/csv", data=LIST),
    )
    tables = ("unit_state_jobs", "unit_state_job_serials", "idempotency WHERE method LIKE '%/SetUnitStatesCsv'")
    for seconds in (0, 0.2, 0.5):
        async with server.started() as (client, process):
            call = asyncio.ensure_future(client.SetUnitStatesCsv(request, timeout=60))
            await begun(call, sql, WRITERS)
            await asyncio.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            with suppress(grpc.aio.AioRpcError):
                await call
        await ended(sql, WRITERS)
        counts = {sql(f"SELECT count(*) > 0 FROM factory.{table}") for table in tables}  # noqa: S608 - our own names
        assert len(counts) == 1, "all of it, or nothing"
    job = await factory.SetUnitStatesCsv(request, timeout=60)
    assert (job.total, job.state) == (LISTED, pb.JOB_STATE_PENDING)
    assert (await factory.SetUnitStatesCsv(request, timeout=60)).job_id == job.job_id
    assert sql("SELECT count(*) FROM factory.unit_state_jobs") == "1"


async def begun(call: "asyncio.Future[object]", sql: Callable[[str], str], locks: str) -> None:
    """Wait until the transaction of a call holds its locks."""
    async with asyncio.timeout(60):
        while sql(locks) == "0":
            assert not call.done()
            await asyncio.sleep(0.001)


async def ended(sql: Callable[[str], str], locks: str) -> None:
    """Wait until nobody holds the locks of a transaction."""
    async with asyncio.timeout(20):
        while sql(locks) != "0":  # noqa: ASYNC110 - another's lock
            await asyncio.sleep(0.05)
