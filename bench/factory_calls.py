"""Unary calls while a large batch is being issued: GetBatch and CreateProduct, 100 a second, against a trivial echo.

`python -m bench.factory_calls [--units N]`. The echo is asked at the same rate at the same time, by the same client,
and is a server of the same builder, so that the machine's load weighs on both alike.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from bench import report
from bench.factory_room import KEY_ID, Room, open_room
from deploy.local import keys
from deploy.local.free_ports import take_port
from deploy.local.ports import answers
from services.common.caller import TENANT_SCOPES
from services.common.clock import SystemClock
from services.factory.model.batches import Batch, BatchState
from services.factory.operations.api_keys import ApiKeys
from voketag.factory.v1 import factory_pb2, factory_pb2_grpc
from voketag.scan.v1 import scan_pb2, scan_pb2_grpc

_RATE = 100


async def main() -> None:
    """Run, print the ratios, write the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--units", type=int, default=1_000_000)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="voketag-bench-") as folder:
        async with open_room(Path(folder)) as room:
            lag = Path(folder) / "lag"
            factory, echo = take_port(), take_port()
            with (
                room.worker(processes=1),
                _server(room, factory, "bench.factory_server", str(lag)),
                _server(room, echo, "bench.echo"),
            ):
                await room.warm()
                credential = await _api_key(room)
                batch = await room.order(asked.units)
                times = await _calls(room, batch, factory=factory, echo=echo, credential=credential)
                worst_lag = float(lag.read_text())
    p99 = {name: statistics.quantiles(found, n=100)[98] for name, found in times.items()}
    ratios = {name: p99[name] / p99["echo"] for name in ("get_batch", "create_product")}
    report.write(
        "factory_calls",
        {
            "units": asked.units,
            "calls": {name: len(found) for name, found in times.items()},
            "p50_ms": {name: statistics.median(found) * 1000 for name, found in times.items()},
            "p99_ms": {name: value * 1000 for name, value in p99.items()},
            "p99_ratios": ratios,
            "worst_loop_lag_ms": worst_lag,
        },
    )
    for name, ratio in ratios.items():
        print(f"{name}: p99 {p99[name] * 1000:.1f} ms, {ratio:.1f} times the echo's while units are issued")
    print(f"worst lag of Factory's event loop: {worst_lag:.1f} ms")


async def _calls(room: Room, batch: Batch, *, factory: int, echo: int, credential: str) -> dict[str, list[float]]:
    """Call at a fixed rate, whatever comes back, until the batch has its units; return the seconds of each call."""
    times: dict[str, list[float]] = {"get_batch": [], "create_product": [], "echo": []}
    metadata = (("authorization", f"Bearer {credential}"),)
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{factory}") as to_factory,
        grpc.aio.insecure_channel(f"127.0.0.1:{echo}") as to_echo,
        asyncio.TaskGroup() as group,
    ):
        stub, echoes = factory_pb2_grpc.FactoryServiceStub(to_factory), scan_pb2_grpc.ScanServiceStub(to_echo)

        async def timed(name: str, call: Awaitable[object]) -> None:
            started = time.perf_counter()
            await call
            times[name].append(time.perf_counter() - started)

        issued = asyncio.create_task(room.issued(batch))
        nth, started = 0, time.perf_counter()
        while not issued.done() or nth < 2 * _RATE:
            group.create_task(timed("echo", echoes.Health(scan_pb2.HealthRequest())))
            if nth % 2:
                ask = factory_pb2.GetBatchRequest(batch_id=str(batch.batch_id))
                group.create_task(timed("get_batch", stub.GetBatch(ask, metadata=metadata)))
            else:
                new = factory_pb2.CreateProductRequest(sku=f"B-{nth}", name="Oil")
                group.create_task(timed("create_product", stub.CreateProduct(new, metadata=metadata)))
            nth += 1
            await asyncio.sleep(max(0.0, started + nth / _RATE - time.perf_counter()))
        assert (await issued).state is BatchState.ANCHORING
    return times


async def _api_key(room: Room) -> str:
    api_keys = ApiKeys(database=room.database, clock=SystemClock())
    async with room.database.transaction() as tx:
        made = await api_keys.create(
            tx, room.tenant_id, name="bench", scopes=sorted(TENANT_SCOPES), expires_at=None, granted_by=TENANT_SCOPES
        )
    return made.credential


@contextmanager
def _server(room: Room, port: int, module: str, *arguments: str) -> Iterator[None]:
    secrets = keys.ensure(room.folder / "secrets")
    wanted = {
        "ENVIRONMENT": "local",
        "LISTEN": f"127.0.0.1:{port}",
        "LOG_CALLS": "false",
        "DATABASE_URL": room.postgres.url("voketag_factory"),
        "QUEUE_URL": room.valkey.url(0),
        "HOT_STATE_URL": room.valkey.url(1),
        "TOKEN_PUBLIC_KEYS": str(secrets.public_keys),
        "SERVICE_KEY": str(secrets.token_key("service-factory-1")),
        "UNIT_KEYS": str(room.folder / "unit-keys"),
        "SIGNING_KEY_ID": str(KEY_ID),
        "SCAN_ADDRESS": "127.0.0.1:1",
        "STATEMENT_KEYS": str(secrets.statement_keys),
        "WEBHOOK_KEYS": str(secrets.webhook_keys),
    }
    environment = {**os.environ, **{f"VOKETAG_{name}": value for name, value in wanted.items()}}
    with (
        (room.folder / f"{module}.log").open("w") as log,
        subprocess.Popen([sys.executable, "-m", module, *arguments], env=environment, stderr=log) as process,
    ):
        try:
            while not answers(port):
                if process.poll() is not None:
                    raise SystemExit((room.folder / f"{module}.log").read_text())
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(main())
