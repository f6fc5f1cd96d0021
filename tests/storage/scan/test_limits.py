"""The limits in a real Valkey, and in one process while it is away."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from deploy.local.valkey import Valkey
from services.scan.hot_state import HotState
from services.scan.limits import Allowance, Limits, key_caller
from tests.storage.scan.test_sightings import state_at

HOME, OTHER = "198.51.100.7", "203.0.113.9"


@pytest.fixture
async def hot_state(valkey: Valkey) -> AsyncIterator[HotState]:
    async with Redis.from_url(valkey.url(1)) as client:
        await client.flushdb()
    state = state_at(valkey.url(1))
    yield state
    await state.aclose()


def limits(per_minute: int = 10, failures: int = 3, newcomers: int = 0, platform: int = 0) -> Limits:
    return Limits(
        per_minute=per_minute,
        key_per_minute=2 * per_minute,
        failures_per_minute=failures,
        newcomer_seconds=newcomers,
        platform_per_second=platform,
    )


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


async def test_a_newcomer_has_half(hot_state: HotState) -> None:
    counted = limits(newcomers=300)
    assert await ask(hot_state, counted, times=7) == [True] * 5 + [False] * 2


async def test_the_platform_takes_no_more_than_its_ceiling(hot_state: HotState) -> None:
    counted = limits(per_minute=0, failures=0, platform=50)
    callers = [(f"10.0.0.{place}", False) for place in range(60)]
    given = counted.allowances([each for each, _ in callers], await hot_state.run(counted.calls(callers)))
    refused = [each for each in given if each is not None and not each.allowed]
    assert len(refused) == 10


async def test_keys_of_a_caller_are_of_one_slot_and_go_by_themselves(hot_state: HotState, valkey: Valkey) -> None:
    await ask(hot_state, limits(newcomers=1), failed=True)
    async with Redis.from_url(valkey.url(1)) as client:
        keys = await client.keys("limit:*")
        assert {key.split(b"{")[1].split(b"}")[0].decode() for key in keys} == {HOME}
        assert len(keys) == 3
        assert all([0 < await client.ttl(key) <= 86_400 for key in keys])


def test_alone_a_process_counts_with_the_same_limits() -> None:
    counted = limits()
    given = counted.counted_here([(HOME, False)] * 12)
    assert [each is not None and each.allowed for each in given] == [True] * 10 + [False] * 2
    failing = counted.counted_here([(OTHER, True)] * 4)
    assert [each is not None and each.allowed for each in failing] == [True] * 3 + [False]
    assert [each and each.allowed for each in counted.counted_here([(OTHER, False)])] == [False]


def test_alone_a_process_keeps_to_the_platforms_ceiling() -> None:
    counted = limits(per_minute=0, failures=0, platform=50)
    given = counted.counted_here([(f"10.0.0.{place}", False) for place in range(60)])
    assert sum(each is not None and not each.allowed for each in given) == 10
    assert all(each is not None for each in counted.counted_here([(OTHER, False)]))


def test_limits_that_are_off_say_nothing() -> None:
    counted = limits(per_minute=0, failures=0)
    assert counted.calls([(HOME, True)]) == []
    assert counted.allowances([HOME], []) == counted.counted_here([(HOME, True)]) == [None]
