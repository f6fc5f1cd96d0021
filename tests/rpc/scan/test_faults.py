"""Neighbours that go away: what is answered meanwhile, and that the server comes back by itself."""

import asyncio
import os
import signal
import time
from contextlib import suppress

import grpc
from prometheus_client import REGISTRY

from deploy.local.postgres import Postgres
from deploy.local.valkey import Valkey
from tests.freezing import frozen
from tests.rpc.calls import refusal
from tests.rpc.scan.clients import Consumer
from tests.rpc.scan.registry import Registry
from voketag.scan.v1 import scan_pb2


async def test_without_the_hot_state_verdicts_come_from_recorded_scans(
    consumer: Consumer, registry: Registry, valkey: Valkey
) -> None:
    code = (await registry.issue()).codes[0]
    assert not (await consumer.scan(code)).degraded
    valkey.kill()
    try:
        answers = [await consumer.using(address=f"198.51.100.{device}").scan(code) for device in range(20, 24)]
    finally:
        valkey.start()
    assert all(answer.degraded for answer in answers)
    assert [answer.risk_score for answer in answers] == [0, 35, 35, 65]
    assert [answer.history.total_scans for answer in answers] == [2, 3, 4, 5]
    assert [answer.history.recent_scans for answer in answers] == [2, 3, 4, 5]
    assert [answer.history.unique_devices for answer in answers] == [2, 3, 4, 5]
    degraded = await registry.sql("SELECT degraded FROM scan.scan_events ORDER BY scanned_at")
    assert [row["degraded"] for row in degraded] == [False, True, True, True, True]
    await asyncio.sleep(0.6)
    healed = await consumer.scan(code)
    assert not healed.degraded
    assert healed.history.total_scans == 6


async def test_a_hot_state_that_hangs_costs_a_tenth_of_a_second_and_not_each_time(
    consumer: Consumer, registry: Registry, valkey: Valkey
) -> None:
    code = (await registry.issue()).codes[0]
    await consumer.scan(code)
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        answers = [await consumer.scan(code) for _ in range(5)]
        took = time.monotonic() - started
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    assert all(answer.degraded for answer in answers)
    assert took < 0.5
    await asyncio.sleep(0.6)
    assert not (await consumer.scan(code)).degraded


async def test_without_the_database_there_is_no_verdict_and_it_comes_back(
    consumer: Consumer, registry: Registry, postgres: Postgres
) -> None:
    code = (await registry.issue()).codes[0]
    before = await consumer.scan(code)
    postgres.kill()
    try:
        # A server process outlives its killed parent for a moment, and what it takes is recorded.
        answered_meanwhile = 0
        with suppress(grpc.aio.AioRpcError):
            while answered_meanwhile < 1000:
                before = await consumer.scan(code)
                answered_meanwhile += 1
        answer = await refusal(consumer.scan(code))
        assert (answer.code, answer.reason) == ("UNAVAILABLE", "UNAVAILABLE")
        assert answer.retry_after_seconds
        assert (await refusal(consumer.ready())).code == "UNAVAILABLE"
        assert (await consumer.health()).status == "ok"
        page = await consumer.page(code)
        assert "We cannot check right now" in page
        told = await consumer.page_metadata(code)
        assert (told["x-page-status"], told["retry-after"]) == ("503", "1")
    finally:
        postgres.start()
    await consumer.ready_within(5)
    after = await consumer.scan(code)
    # The scan that was under way at the end may have been recorded, too.
    assert before.history.total_scans < after.history.total_scans <= before.history.total_scans + 2
    assert after.history.first_scan_at == before.history.first_scan_at


async def test_while_the_database_is_down_every_scan_is_refused_within_a_quarter_of_a_second(
    consumer: Consumer, registry: Registry, postgres: Postgres
) -> None:
    code = (await registry.issue()).codes[0]
    await consumer.scan(code)
    postgres.kill()
    try:
        await _until_refused(consumer, code)
        await _assert_refused_quickly(consumer, code, seconds=2)
    finally:
        postgres.start()
    await _scans_within(5, consumer, code)


async def test_while_the_database_hangs_nobody_waits_once_it_is_known_and_it_recovers_by_itself(
    consumer: Consumer, registry: Registry, postgres: Postgres
) -> None:
    code = (await registry.issue()).codes[0]
    await consumer.scan(code)
    with frozen(postgres):
        await _until_refused(consumer, code)
        await _assert_refused_quickly(consumer, code, seconds=4)  # longer than a probe takes to fail
    async with asyncio.timeout(5):
        while _breaker_open("postgresql"):  # though nobody scans  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    recorded = len(await registry.sql("SELECT 1 FROM scan.scan_events"))
    assert (await consumer.scan(code)).history.total_scans == recorded + 1


async def test_a_database_that_hangs_is_unavailable_in_bounded_time(
    consumer: Consumer, registry: Registry, postgres: Postgres
) -> None:
    """A lock on the counters holds the commit up, as a slow disk would."""
    code = (await registry.issue()).codes[0]
    await consumer.scan(code)
    held = asyncio.create_task(
        registry.sql("DO $$ BEGIN LOCK TABLE scan.unit_scans IN EXCLUSIVE MODE; PERFORM pg_sleep(3); END $$")
    )
    await asyncio.sleep(0.3)
    started = time.monotonic()
    answer = await refusal(consumer.scan(code))
    assert answer.code == "UNAVAILABLE"
    assert time.monotonic() - started < 2.5
    await held
    await asyncio.sleep(0.3)
    recorded = len(await registry.sql("SELECT 1 FROM scan.scan_events"))
    assert (await consumer.scan(code)).history.total_scans == recorded + 1, "events and counters never part"


async def test_a_month_without_a_partition_gets_one(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    for row in await registry.sql(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'scan.scan_events'::regclass"
    ):
        await registry.sql(f"DROP TABLE {row['name']}")
    assert (await consumer.scan(code)).verdict == scan_pb2.VERDICT_AUTHENTIC
    assert len(await registry.sql("SELECT 1 FROM scan.scan_events")) == 1


async def _until_refused(consumer: Consumer, code: str) -> None:
    """Scan until it is known that the database is away; the scan that finds it out may take its whole time."""
    async with asyncio.timeout(5):
        while True:
            try:
                await consumer.scan(code)
            except grpc.aio.AioRpcError:
                return


async def _assert_refused_quickly(consumer: Consumer, code: str, *, seconds: float) -> None:
    times, until = list[float](), time.monotonic() + seconds
    while time.monotonic() < until:
        started = time.monotonic()
        answer = await refusal(consumer.scan(code))
        times.append(time.monotonic() - started)
        assert (answer.code, answer.reason) == ("UNAVAILABLE", "UNAVAILABLE")
        assert answer.retry_after_seconds
        await asyncio.sleep(0.02)
    # One in twenty may meet a busy machine; waiting for a probe takes two seconds, and would be seen.
    slowest, usual = max(times), sorted(times)[len(times) * 19 // 20]
    assert usual < 0.25, f"{len(times)} refusals, one in twenty of them after more than {usual:.3f} s"
    assert slowest < 1


async def _scans_within(seconds: float, consumer: Consumer, code: str) -> None:
    async with asyncio.timeout(seconds):
        while True:
            with suppress(grpc.aio.AioRpcError):
                await consumer.scan(code)
                return
            await asyncio.sleep(0.05)


def _breaker_open(part: str) -> bool:
    return REGISTRY.get_sample_value("voketag_scan_breaker_open", {"part": part}) == 1
