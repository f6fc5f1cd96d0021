"""The unit's script in a real Valkey: windows, sessions, places, totals, clocks, bounds."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from deploy.local.free_ports import take_port
from deploy.local.valkey import Valkey
from services.scan.breaker import Breaker
from services.scan.hot_state import HotState, HotStateAway
from services.scan.model import RecentHistory
from services.scan.sightings import Sighting, history_of

UNIT = 1 << 40 | 7
WINDOW, SESSIONS = f"scan:{{{UNIT}}}:window", f"scan:{{{UNIT}}}:sessions"
SECOND = 1_000_000


def seen(*, unit_id: int = UNIT, device: bytes = b"d" * 16, known: int = 0, place: str = "") -> Sighting:
    country, _, cell = place.partition(" ")
    return Sighting(unit_id=unit_id, device_hash=device, known_scans=known, country=country, cell=cell)


def state_at(url: str) -> HotState:
    return HotState(url=url, timeout_seconds=2, breaker=Breaker(part="hot state", rest_seconds=0.2, probe_seconds=2))


@pytest.fixture
async def redis(valkey: Valkey) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey.url(1)) as client:
        await client.flushdb()
        yield client


@pytest.fixture
async def hot_state(valkey: Valkey, redis: Redis) -> AsyncIterator[HotState]:
    async with aclosing(state_at(valkey.url(1))) as state:
        yield state


async def count(hot_state: HotState, sightings: Sequence[Sighting]) -> list[RecentHistory]:
    """Count scans in one round trip, as a group of them does."""
    return [history_of(answer) for answer in await hot_state.run([each.call() for each in sightings])]


async def micros(redis: Redis) -> int:
    seconds, part = await redis.time()
    return int(seconds) * SECOND + int(part)


def history(total: int, *, recent: int, sessions: int = 1, devices: int = 1, rapid: int | None = None) -> RecentHistory:
    return RecentHistory(
        total=total,
        recent=recent,
        rapid_sessions=sessions if rapid is None else rapid,
        recent_sessions=sessions,
        devices=devices,
    )


async def test_every_scan_counts_itself_and_reloads_are_one_session(hot_state: HotState) -> None:
    counted = await count(hot_state, [seen(), seen(), seen(device=b"e" * 16), seen(unit_id=UNIT + 1)])
    assert counted == [
        history(1, recent=1),
        history(2, recent=2),
        history(3, recent=3, sessions=2, devices=2),
        history(1, recent=1),
    ]


async def test_a_device_that_comes_back_after_half_an_hour_begins_a_session(hot_state: HotState, redis: Redis) -> None:
    now = await micros(redis)
    await redis.zadd(SESSIONS, {b"d" * 16: now - 1801 * SECOND, b"e" * 16: now - 1799 * SECOND})
    assert (await count(hot_state, [seen()]))[0].recent_sessions == 1
    assert (await count(hot_state, [seen(device=b"e" * 16)]))[0].recent_sessions == 1


async def test_sessions_leave_the_windows_after_30_and_60_seconds(hot_state: HotState, redis: Redis) -> None:
    now = await micros(redis)
    await redis.zadd(SESSIONS, {f"{age:016}": now - age * SECOND for age in (61, 59, 31, 29, 1)})
    [counted] = await count(hot_state, [seen()])
    assert (counted.rapid_sessions, counted.recent_sessions, counted.devices) == (3, 5, 6)


async def test_countries_of_a_day_are_counted_and_the_last_place_is_told(hot_state: HotState) -> None:
    first, second, third = await count(
        hot_state, [seen(place="BR -24-047"), seen(place="AR -35-059"), seen(place="BR -24-047")]
    )
    assert (first.countries, second.countries, third.countries) == (1, 2, 2)
    assert first.previous is None
    assert second.previous is not None
    assert (second.previous.cell, third.previous and third.previous.cell) == ("-24-047", "-35-059")
    assert 0 <= second.previous.seconds_ago < 5


async def test_without_places_nothing_is_said_of_them(hot_state: HotState) -> None:
    await count(hot_state, [seen(place="BR -24-047")])
    [counted] = await count(hot_state, [seen()])
    assert (counted.countries, counted.previous) == (0, None)


async def test_a_total_goes_on_from_what_is_known_or_from_what_was_counted(hot_state: HotState) -> None:
    totals = [(await count(hot_state, [seen(known=known)]))[0].total for known in (40, 40, 0, 100)]
    assert totals == [41, 42, 43, 101]


async def test_scans_leave_the_windows_after_30_and_60_seconds(hot_state: HotState, redis: Redis) -> None:
    now = await micros(redis)
    ages = {1: 61, 2: 59, 3: 31, 4: 29, 5: 1}
    await redis.zadd(WINDOW, {str(total): now - age * SECOND for total, age in ages.items()})
    assert await count(hot_state, [seen()]) == [history(6, recent=5)]


async def test_time_does_not_run_backwards_within_a_window(hot_state: HotState, redis: Redis) -> None:
    await redis.zadd(WINDOW, {"9": await micros(redis) + 5 * SECOND})
    counted = await count(hot_state, [seen(), seen()])
    assert [each.total for each in counted] == [10, 11]


async def test_a_window_from_before_the_clock_was_set_back_is_dropped(hot_state: HotState, redis: Redis) -> None:
    await redis.zadd(WINDOW, {"9": await micros(redis) + 3600 * SECOND})
    assert await count(hot_state, [seen(known=9)]) == [history(10, recent=1)]


async def test_an_attacked_unit_costs_no_more_than_others(hot_state: HotState, redis: Redis) -> None:
    for wave in range(3):
        await count(hot_state, [seen(device=(wave * 500 + place).to_bytes(16)) for place in range(500)])
    assert (await redis.zcard(WINDOW), await redis.zcard(SESSIONS)) == (1000, 100)
    assert 0 < await redis.pttl(WINDOW) <= 60_000
    assert 0 < await redis.ttl(SESSIONS) <= 86_400
    [last] = await count(hot_state, [seen()])
    assert (last.total, last.recent, last.devices) == (1501, 1000, 100)


async def test_a_flushed_server_gets_the_script_again(hot_state: HotState, redis: Redis) -> None:
    await count(hot_state, [seen()])
    await redis.flushall()
    await redis.script_flush()
    assert [each.total for each in await count(hot_state, [seen(known=5), seen(known=5)])] == [6, 7]


async def test_a_server_out_of_memory_is_away(hot_state: HotState, redis: Redis) -> None:
    await count(hot_state, [seen()])
    before = await redis.config_get("maxmemory*")
    await redis.config_set("maxmemory-policy", "noeviction")
    await redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(HotStateAway):
            await count(hot_state, [seen()])
    finally:
        await redis.config_set("maxmemory", before["maxmemory"])
        await redis.config_set("maxmemory-policy", before["maxmemory-policy"])


async def test_nobody_there_is_away() -> None:
    async with aclosing(state_at(f"redis://127.0.0.1:{take_port()}/0")) as state:
        for _ in range(3):
            with pytest.raises(HotStateAway):
                await count(state, [seen()])
