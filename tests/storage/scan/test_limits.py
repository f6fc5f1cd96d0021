"""The limits in a real Valkey, and in one process while it is away."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from deploy.local.valkey import Valkey
from services.scan.hot_state import HotState
from services.scan.limits import Allowance, Limits, Rates, key_caller
from tests.storage.scan.test_sightings import state_at

HOME, OTHER = "198.51.100.7", "203.0.113.9"


@pytest.fixture
async def hot_state(valkey: Valkey) -> AsyncIterator[HotState]:
    async with Redis.from_url(valkey.url(1)) as client:
        await client.flushdb()
    state = state_at(valkey.url(1))
    yield state
    await state.aclose()


def limits(
    per_minute: int = 10,
    failures: int = 3,
    *,
    everywhere: int = 0,
    newcomers: int = 0,
    platform: int = 0,
    in_region: int = 0,
    region: str = "",
) -> Limits:
    return Limits(
        rates=Rates(
            per_minute=per_minute,
            key_per_minute=2 * per_minute,
            everywhere_per_minute=everywhere,
            key_everywhere_per_minute=2 * everywhere,
            failures_per_minute=failures,
            newcomer_seconds=newcomers,
            platform_per_second=platform,
            region_per_second=in_region,
        ),
        region=region,
    )


def of_everybody(per_second: int, *, in_region: int = 0, region: str = "") -> Limits:
    return limits(per_minute=0, failures=0, platform=per_second, in_region=in_region, region=region)


def crowd(size: int) -> list[tuple[str, bool]]:
    return [(f"10.0.{place // 256}.{place % 256}", False) for place in range(size)]


async def passed(hot_state: HotState, counted: Limits, size: int) -> int:
    """Return how many of a crowd are let through."""
    callers = crowd(size)
    given = counted.allowances([each for each, _ in callers], await hot_state.run(counted.calls(callers)))
    return sum(each is None or each.allowed for each in given)


async def ask(
    hot_state: HotState, counted: Limits, caller: str = HOME, *, times: int = 1, failed: bool = False
) -> list[bool]:
    """Ask in one group, as scans do, and return who was let through."""
    callers = [(caller, failed)] * times
    answers = await hot_state.run(counted.calls(callers))
    given = counted.allowances([each for each, _ in callers], answers)
    assert all(each is not None for each in given)
    return [each is not None and each.allowed for each in given]


async def test_a_caller_has_so_many_calls_and_no_other_pays_for_it(hot_state: HotState) -> None:
    counted = limits()
    assert await ask(hot_state, counted, times=12) == [True] * 10 + [False] * 2
    assert await ask(hot_state, counted, OTHER) == [True]


async def test_processes_count_together(hot_state: HotState) -> None:
    assert sum([(await ask(hot_state, limits()))[0] for _ in range(12)]) == 10


async def test_a_key_has_a_limit_of_its_own_and_is_no_newcomer(hot_state: HotState) -> None:
    counted, key = limits(newcomers=300), key_caller("abcdefghij012345")
    assert await ask(hot_state, counted, key, times=21) == [True] * 20 + [False]
    assert await ask(hot_state, counted) == [True]
    refused = counted.refused(key)
    assert refused is not None
    assert refused.limit == 20
    assert [each and each.allowed for each in limits().counted_here([(key, False)] * 21)] == [True] * 20 + [False]


async def test_the_bucket_empties_with_time(hot_state: HotState, valkey: Valkey) -> None:
    counted = limits()
    await ask(hot_state, counted, times=10)
    async with Redis.from_url(valkey.url(1)) as client:
        key = f"limit:{{{HOME}}}:all"
        await client.set(key, int(await client.get(key)) - 12_000_000)  # as if 12 seconds had passed: 2 calls
    assert await ask(hot_state, counted, times=3) == [True, True, False]


async def test_codes_that_are_not_ours_fill_a_small_bucket_and_then_nothing_is_answered(hot_state: HotState) -> None:
    counted = limits(per_minute=100)
    assert await ask(hot_state, counted, times=4, failed=True) == [True, True, True, False]
    assert await ask(hot_state, counted) == [False], "a guess that hits must not show"
    assert await ask(hot_state, counted, OTHER) == [True]


async def test_a_refusal_says_when_to_come_back_and_is_remembered(hot_state: HotState) -> None:
    counted = limits()
    answers = await hot_state.run(counted.calls([(HOME, False)] * 11))
    *passed, refused = counted.allowances([HOME] * 11, answers)
    assert [each.remaining for each in passed if each] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert isinstance(refused, Allowance)
    assert 5 < refused.retry_after <= 6
    assert refused.headers() == {
        "x-ratelimit-limit": "10",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "60",
        "retry-after": "6",
    }
    remembered = counted.refused(HOME)
    assert remembered is not None
    assert not remembered.allowed
    assert counted.refused(OTHER) is None


async def test_a_newcomer_has_half_and_is_told_so(hot_state: HotState) -> None:
    counted = limits(newcomers=300)
    callers = [(HOME, False)] * 7
    given = counted.allowances([HOME] * 7, await hot_state.run(counted.calls(callers)))
    assert [each.allowed for each in given if each] == [True] * 5 + [False] * 2
    assert [each.headers()["x-ratelimit-limit"] for each in given if each] == ["5"] * 7
    remembered = counted.refused(HOME)
    assert remembered is not None
    assert remembered.limit == 5


async def test_who_is_seen_every_day_is_a_newcomer_once(hot_state: HotState, valkey: Valkey) -> None:
    counted, key = limits(newcomers=300), f"limit:{{{HOME}}}:first"
    await ask(hot_state, counted)
    async with Redis.from_url(valkey.url(1)) as client:
        await client.set(key, int(await client.get(key)) - 301_000_000, px=5_000)  # a day after that, less 5 seconds
        assert await ask(hot_state, counted, times=8) == [True] * 8, "a call as a newcomer filled as much as two"
        assert await client.ttl(key) > 86_000, "seen now, so known for another day"


async def test_a_newcomer_from_before_the_servers_clock_was_set_back_is_one_for_as_long(
    hot_state: HotState, valkey: Valkey
) -> None:
    counted, key = limits(newcomers=300), f"limit:{{{HOME}}}:first"
    await ask(hot_state, counted)
    async with Redis.from_url(valkey.url(1)) as client:
        seen_at = int(await client.get(key))
        await client.set(key, seen_at + 3_600_000_000)
        assert await ask(hot_state, counted) == [True]
        assert 0 <= int(await client.get(key)) - seen_at < 60_000_000


async def test_each_region_has_a_limit_and_all_of_them_another(hot_state: HotState) -> None:
    south, north, east = (limits(everywhere=24, region=region) for region in ("south", "north", "east"))
    assert await ask(hot_state, south, times=11) == [True] * 10 + [False]
    assert await ask(hot_state, limits(everywhere=24, region="south")) == [False], (
        "processes of a region count together"
    )
    assert await ask(hot_state, north, times=10) == [True] * 10
    assert await ask(hot_state, east, times=5) == [True] * 4 + [False]
    assert await ask(hot_state, east, OTHER) == [True]


async def test_the_caller_is_told_of_the_limit_that_leaves_the_fewest(hot_state: HotState) -> None:
    south, north = (limits(everywhere=12, region=region) for region in ("south", "north"))
    told = []
    for counted in [south] * 9 + [north] * 4:
        [given] = counted.allowances([HOME], await hot_state.run(counted.calls([(HOME, False)])))
        assert given is not None
        told.append((given.allowed, given.limit, given.remaining))
    assert told[:9] == [(True, 10, left) for left in range(9, 0, -1)]
    assert told[9:] == [(True, 12, 2), (True, 12, 1), (True, 12, 0), (False, 12, 0)]
    refused = north.refused(HOME)
    assert refused is not None
    assert refused.limit == 12


async def test_a_call_that_one_limit_refuses_counts_for_none(hot_state: HotState) -> None:
    south, north = (limits(everywhere=15, region=region) for region in ("south", "north"))
    await ask(hot_state, south, times=10)
    assert await ask(hot_state, south, times=3) == [False] * 3
    assert await ask(hot_state, north, times=6) == [True] * 5 + [False]


async def test_keys_have_limits_by_region_too(hot_state: HotState) -> None:
    south, north, key = (
        limits(everywhere=15, region="south"),
        limits(everywhere=15, region="north"),
        key_caller("k" * 16),
    )
    assert await ask(hot_state, south, key, times=21) == [True] * 20 + [False]
    assert await ask(hot_state, north, key, times=11) == [True] * 10 + [False]


async def test_wrong_guesses_count_in_all_regions_together(hot_state: HotState) -> None:
    south, north = limits(region="south"), limits(region="north")
    assert await ask(hot_state, south, times=2, failed=True) == [True] * 2
    assert await ask(hot_state, north, times=2, failed=True) == [True, False]
    assert await ask(hot_state, south) == [False]


async def test_the_platform_takes_no_more_than_its_ceiling(hot_state: HotState) -> None:
    assert await passed(hot_state, of_everybody(50), 60) == 50


async def test_a_region_takes_no_more_than_its_own_ceiling(hot_state: HotState, valkey: Valkey) -> None:
    south, north = (of_everybody(500, in_region=300, region=region) for region in ("south", "north"))
    assert 300 <= await passed(hot_state, south, 400) <= 310, "what comes free meanwhile, too"
    assert 200 <= await passed(hot_state, north, 400) <= 250, "what the south left of the platform's"
    async with Redis.from_url(valkey.url(1)) as client:
        keys = {b"limit:{platform}", b"limit:{platform}:region:south", b"limit:{platform}:region:north"}
        assert set(await client.keys("limit:*")) == keys


async def test_where_the_platform_is_full_callers_hear_of_their_own_limit_too(hot_state: HotState) -> None:
    counted = limits(per_minute=1, platform=1)
    callers = [(HOME, False), (OTHER, False), (OTHER, False)]
    given = counted.allowances([each for each, _ in callers], await hot_state.run(counted.calls(callers)))
    assert [each.allowed for each in given if each] == [True, False, False]
    assert [each.headers().get("x-ratelimit-limit") for each in given if each] == ["1"] * 3
    assert [each.headers().get("retry-after") for each in given if each] == [None, "1", "60"]
    bare = of_everybody(1).counted_here(callers)[1]
    assert bare is not None
    assert bare.headers() == {"retry-after": "1"}, "who has no limit of its own is told of none"


async def test_keys_of_a_caller_are_of_one_slot_and_go_by_themselves(hot_state: HotState, valkey: Valkey) -> None:
    await ask(hot_state, limits(everywhere=20, newcomers=1, region="south"), failed=True)
    async with Redis.from_url(valkey.url(1)) as client:
        keys = await client.keys("limit:*")
        assert {key.split(b"{")[1].split(b"}")[0].decode() for key in keys} == {HOME}
        assert len(keys) == 4
        assert all([0 < await client.ttl(key) <= 86_400 for key in keys])


def test_alone_a_process_counts_with_the_same_limits() -> None:
    counted = limits()
    given = counted.counted_here([(HOME, False)] * 12)
    assert [each is not None and each.allowed for each in given] == [True] * 10 + [False] * 2
    failing = counted.counted_here([(OTHER, True)] * 4)
    assert [each is not None and each.allowed for each in failing] == [True] * 3 + [False]
    assert [each and each.allowed for each in counted.counted_here([(OTHER, False)])] == [False]


def test_alone_a_process_keeps_to_the_lower_limit_of_its_region_and_all() -> None:
    for counted in (limits(per_minute=10, everywhere=4), limits(per_minute=4, everywhere=10, region="south")):
        given = counted.counted_here([(HOME, False)] * 5)
        assert [(each.allowed, each.limit) for each in given if each] == [(True, 4)] * 4 + [(False, 4)]


def test_alone_a_process_knows_nobody_so_everybody_has_half_where_newcomers_have() -> None:
    counted = limits(newcomers=300)
    given = counted.counted_here([(HOME, False)] * 6)
    assert [(each.allowed, each.limit) for each in given if each] == [(True, 5)] * 5 + [(False, 5)]
    assert [each and each.limit for each in counted.counted_here([(key_caller("k" * 16), False)])] == [20]


def test_alone_a_process_keeps_to_the_lower_ceiling() -> None:
    for counted in (of_everybody(50), of_everybody(500, in_region=50, region="south"), of_everybody(0, in_region=50)):
        given = counted.counted_here(crowd(60))
        assert sum(each is not None and not each.allowed for each in given) == 10
        assert all(each is not None for each in counted.counted_here([(OTHER, False)]))


def test_limits_that_are_off_say_nothing() -> None:
    counted = limits(per_minute=0, failures=0)
    assert counted.calls([(HOME, True)]) == []
    assert counted.allowances([HOME], []) == counted.counted_here([(HOME, True)]) == [None]
