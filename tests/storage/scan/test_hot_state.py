"""The script in a real Valkey: windows, totals, clocks, bounds."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from deploy.local.ports import free_port
from deploy.local.valkey import Valkey
from services.scan.hot_state import HotState, HotStateAway, Sighting
from services.scan.model import RecentHistory

UNIT = 1 << 40 | 7
WINDOW, DEVICES = f"scan:{{{UNIT}}}:window", f"scan:{{{UNIT}}}:devices"
SECOND = 1_000_000


def seen(*, unit_id: int = UNIT, device: bytes = b"d" * 16, known: int = 0) -> Sighting:
    return Sighting(unit_id=unit_id, device_hash=device, known_scans=known)


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey.url(1)) as client:
        await client.flushdb()
        yield client


@pytest.fixture
async def hot_state(valkey: Valkey, redis: Redis) -> AsyncIterator[HotState]:
    async with aclosing(HotState(url=valkey.url(1), timeout_seconds=2)) as state:
        yield state


async def micros(redis: Redis) -> int:
    seconds, part = await redis.time()
    return int(seconds) * SECOND + int(part)


async def test_every_scan_counts_itself(hot_state: HotState) -> None:
    counted = await hot_state.count([seen(), seen(), seen(device=b"e" * 16), seen(unit_id=UNIT + 1)])
    assert counted == [
        RecentHistory(total=1, rapid=1, recent=1, devices=1),
        RecentHistory(total=2, rapid=2, recent=2, devices=1),
        RecentHistory(total=3, rapid=3, recent=3, devices=2),
        RecentHistory(total=1, rapid=1, recent=1, devices=1),
    ]


async def test_a_total_goes_on_from_what_is_known_or_from_what_was_counted(hot_state: HotState) -> None:
    totals = [(await hot_state.count([seen(known=known)]))[0].total for known in (40, 40, 0, 100)]
    assert totals == [41, 42, 43, 101]


async def test_scans_leave_the_windows_after_30_and_60_seconds(hot_state: HotState, redis: Redis) -> None:
    now = await micros(redis)
    ages = {1: 61, 2: 59, 3: 31, 4: 29, 5: 1}
    await redis.zadd(WINDOW, {str(total): now - age * SECOND for total, age in ages.items()})
    assert await hot_state.count([seen()]) == [RecentHistory(total=6, rapid=3, recent=5, devices=1)]


async def test_time_does_not_run_backwards_within_a_window(hot_state: HotState, redis: Redis) -> None:
    await redis.zadd(WINDOW, {"9": await micros(redis) + 5 * SECOND})
    counted = await hot_state.count([seen(), seen()])
    assert [history.total for history in counted] == [10, 11]


async def test_a_window_from_before_the_clock_was_set_back_is_dropped(hot_state: HotState, redis: Redis) -> None:
    await redis.zadd(WINDOW, {"9": await micros(redis) + 3600 * SECOND})
    assert await hot_state.count([seen(known=9)]) == [RecentHistory(total=10, rapid=1, recent=1, devices=1)]


async def test_an_attacked_unit_costs_no_more_than_others(hot_state: HotState, redis: Redis) -> None:
    for wave in range(3):
        await hot_state.count([seen(device=(wave * 500 + place).to_bytes(16)) for place in range(500)])
    assert (await redis.zcard(WINDOW), await redis.scard(DEVICES)) == (1000, 100)
    assert 0 < await redis.pttl(WINDOW) <= 60_000
    assert 0 < await redis.ttl(DEVICES) <= 86_400
    [history] = await hot_state.count([seen()])
    assert (history.total, history.recent, history.devices) == (1501, 1000, 100)


async def test_a_flushed_server_gets_the_script_again(hot_state: HotState, redis: Redis) -> None:
    await hot_state.count([seen()])
    await redis.flushall()
    await redis.script_flush()
    assert [history.total for history in await hot_state.count([seen(known=5), seen(known=5)])] == [6, 7]


async def test_a_server_out_of_memory_is_away(hot_state: HotState, redis: Redis) -> None:
    await hot_state.count([seen()])
    before = await redis.config_get("maxmemory*")
    await redis.config_set("maxmemory-policy", "noeviction")
    await redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(HotStateAway):
            await hot_state.count([seen()])
    finally:
        await redis.config_set("maxmemory", before["maxmemory"])
        await redis.config_set("maxmemory-policy", before["maxmemory-policy"])


async def test_nobody_there_is_away() -> None:
    async with aclosing(HotState(url=f"redis://127.0.0.1:{free_port()}/0", timeout_seconds=1)) as state:
        for _ in range(3):
            with pytest.raises(HotStateAway):
                await state.count([seen()])
