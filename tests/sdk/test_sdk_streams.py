"""Streams on a bad day: a batch that is followed across restarts, and exports that are whole or absent."""

import asyncio
import itertools
import time
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api import httpbody_pb2

from tests.sdk.platform_double import PlatformDouble, Refusal
from voketag.factory.v1 import factory_pb2
from voketag_sdk import AsyncClient, BatchState, Client, RetryPolicy, errors
from voketag_sdk._batches import AsyncBatches
from voketag_sdk._export import HEADER
from voketag_sdk._transport import Transport

BROKEN = Refusal(grpc.StatusCode.UNAVAILABLE)
RESET = Refusal(grpc.StatusCode.INTERNAL)
CUT_BY_A_PROXY = Refusal(grpc.StatusCode.DEADLINE_EXCEEDED)
ROWS = [b"%d,%d,S%d,AAAAAAAAAAAAAAAAAAAA,https://v.example/r/A,ACTIVE\r\n" % (n, n, n) for n in range(6)]


def batch(state: str, issued: int = 0) -> factory_pb2.Batch:
    number = factory_pb2.BatchState.Value(f"BATCH_STATE_{state}")
    return factory_pb2.Batch(batch_id="b-1", state=number, issued_count=issued)


def chunk(*rows: bytes) -> httpbody_pb2.HttpBody:
    return httpbody_pb2.HttpBody(content_type="text/csv", data=b"".join(rows))


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_waiting_survives_broken_streams_and_tells_each_change_once(
    double: PlatformDouble, client: AsyncClient
) -> None:
    double.script = {
        "WatchBatch": [
            [batch("PENDING"), batch("ISSUING", 10), BROKEN],
            [BROKEN],
            [batch("ISSUING", 10), batch("ISSUING", 20), CUT_BY_A_PROXY],
            [batch("ISSUING", 20), batch("ANCHORING", 30)],
            [batch("COMPLETED", 30)],
        ]
    }
    told: list[tuple[str, int]] = []
    done = await client.batches.wait("b-1", progress=lambda b: told.append((b.state, b.issued_count)))
    assert done.state is BatchState.COMPLETED
    assert told == [("PENDING", 0), ("ISSUING", 10), ("ISSUING", 20), ("ANCHORING", 30), ("COMPLETED", 30)]


async def test_waiting_outlasts_more_failures_than_a_call_may_have(double: PlatformDouble, client: AsyncClient) -> None:
    double.script = {"WatchBatch": [*([BROKEN] for _ in range(8)), [batch("COMPLETED")]]}
    assert (await client.batches.wait("b-1")).state is BatchState.COMPLETED


@pytest.mark.parametrize("state", ["FAILED", "ANCHOR_FAILED", "CANCELLED"])
async def test_a_batch_that_ends_otherwise_is_an_error_that_carries_it(
    double: PlatformDouble, client: AsyncClient, state: str
) -> None:
    double.script = {"WatchBatch": [[batch(state)]]}
    with pytest.raises(errors.BatchStopped, match=f"b-1 is {state}") as raised:
        await client.batches.wait("b-1")
    assert raised.value.batch.state == state


async def test_waiting_for_what_does_not_exist_ends_at_once(double: PlatformDouble, client: AsyncClient) -> None:
    double.script = {"WatchBatch": [[Refusal(grpc.StatusCode.NOT_FOUND, "BATCH_NOT_FOUND")]]}
    with pytest.raises(errors.BatchNotFound):
        await client.batches.wait("b-1")
    assert len(double.seen) == 1


@pytest.mark.parametrize("stream", [[batch("ISSUING"), BROKEN], [BROKEN], [batch("ISSUING"), asyncio.Event().wait]])
async def test_waiting_ends_with_its_timeout(double: PlatformDouble, client: AsyncClient, stream: list[Any]) -> None:
    async def silence(_: Any) -> factory_pb2.Batch:
        await asyncio.sleep(30)
        return batch("COMPLETED")

    double.script = {"WatchBatch": [[silence if callable(step) else step for step in stream]]}
    started = time.monotonic()
    with pytest.raises(errors.DeadlineExceeded):
        await client.batches.wait("b-1", timeout=0.3)
    assert time.monotonic() - started < 3


async def test_a_stream_that_falls_silent_is_opened_again(double: PlatformDouble) -> None:
    async def silence(_: Any) -> factory_pb2.Batch:
        await asyncio.sleep(30)
        return batch("COMPLETED")

    double.script = {"WatchBatch": [[batch("ISSUING"), silence], [batch("COMPLETED")]]}
    transport = Transport(url=double.url, credential=None, timeout=5, retry=RetryPolicy(), stream_idle_seconds=0.2)
    assert (await AsyncBatches(transport).wait("b-1", timeout=10)).state is BatchState.COMPLETED
    await transport.close()


async def test_progress_of_a_blocking_client_comes_in_the_caller_s_thread(double: PlatformDouble) -> None:
    import threading

    double.script = {"WatchBatch": [[batch("ISSUING"), batch("COMPLETED")]]}
    threads: list[bool] = []

    def work() -> None:
        me = threading.get_ident()
        with Client(double.url) as voketag:
            voketag.batches.wait("b-1", progress=lambda _: threads.append(threading.get_ident() == me))

    await asyncio.to_thread(work)
    assert threads == [True, True]


async def test_an_export_is_resumed_where_it_broke(double: PlatformDouble, client: AsyncClient, tmp_path: Path) -> None:
    double.script = {
        "ExportUnits": [
            [chunk(HEADER, *ROWS[:2], ROWS[2][:7]), BROKEN],
            [BROKEN],
            [chunk(ROWS[2]), chunk(ROWS[3]), CUT_BY_A_PROXY],
            [chunk(ROWS[4]), RESET],
            [chunk(ROWS[5])],
        ]
    }
    path = tmp_path / "units.csv"
    path.write_text("yesterday's")
    assert await client.batches.export("b-1", path) == 6
    assert path.read_bytes() == HEADER + b"".join(ROWS)
    assert [seen.request.first_index for seen in double.seen] == [0, 2, 2, 4, 5]
    assert names_in(tmp_path) == ["units.csv"]


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        ([chunk(HEADER, ROWS[0]), BROKEN], errors.Unavailable),
        ([chunk(HEADER, ROWS[0]), Refusal(grpc.StatusCode.INTERNAL, "INTERNAL")], errors.InternalError),
        ([chunk(HEADER, ROWS[0], ROWS[2])], errors.ExportBroken),
        ([chunk(HEADER, ROWS[0][:-2])], errors.ExportBroken),
    ],
)
async def test_an_export_that_fails_leaves_the_old_file_and_no_other(
    double: PlatformDouble, client: AsyncClient, tmp_path: Path, stream: list[Any], error: type[Exception]
) -> None:
    double.script = {"ExportUnits": [stream, [BROKEN]]}
    path = tmp_path / "units.csv"
    path.write_text("yesterday's")
    with pytest.raises(error):
        await client.batches.export("b-1", path)
    assert path.read_text() == "yesterday's"
    assert names_in(tmp_path) == ["units.csv"]


async def test_an_export_that_is_interrupted_leaves_no_trace(
    double: PlatformDouble, client: AsyncClient, tmp_path: Path
) -> None:
    begun = asyncio.Event()

    async def silence(_: Any) -> httpbody_pb2.HttpBody:
        begun.set()
        await asyncio.sleep(30)
        return chunk()

    double.script = {"ExportUnits": [[chunk(HEADER, ROWS[0]), silence]]}
    task = asyncio.create_task(client.batches.export("b-1", tmp_path / "units.csv"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names_in(tmp_path) == []


async def test_rows_are_typed_and_come_as_they_arrive(double: PlatformDouble, client: AsyncClient) -> None:
    double.script = {"ExportUnits": [[chunk(HEADER, *ROWS[:4]), BROKEN], [chunk(*ROWS[4:])]]}
    assert [row.serial async for row in client.batches.rows("b-1")] == ["S0", "S1", "S2", "S3", "S4", "S5"]


async def test_a_blocking_client_may_stop_in_the_middle_of_the_rows(double: PlatformDouble) -> None:
    double.script = {"ExportUnits": [[chunk(HEADER, *ROWS[:4]), chunk(*ROWS[4:])]]}

    def work() -> list[int]:
        with Client(double.url) as voketag:
            few = [row.index for row in itertools.islice(voketag.batches.rows("b-1"), 2)]
            return few + [row.index for row in voketag.batches.rows("b-1").all()]

    assert await asyncio.to_thread(work) == [0, 1, 0, 1, 2, 3, 4, 5]
