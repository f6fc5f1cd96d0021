"""Limits as callers meet them: what they are told, what it costs the unit, and who limits while Valkey is away."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from deploy.local.valkey import Valkey
from services.scan.app import open_app
from services.scan.settings import Settings
from tests.rpc.calls import refusal
from tests.rpc.scan.clients import TRANSPORTS, Consumer
from tests.rpc.scan.registry import Registry


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    return str(request.param)


@pytest.fixture
def scan_settings(scan_settings: Settings) -> Settings:
    """Five scans a minute, ten of them with an API key, two wrong guesses."""
    limits = {"scans_per_minute": 5, "key_scans_per_minute": 10, "failures_per_minute": 2}
    return scan_settings.model_copy(update=limits)


async def test_a_caller_is_told_what_is_left_and_then_when_to_come_back(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    told = [await consumer.told(code) for _ in range(6)]
    assert [each["x-ratelimit-remaining"] for each in told] == ["4", "3", "2", "1", "0", "0"]
    assert {each["x-ratelimit-limit"] for each in told} == {"5"}
    assert [int(each.get("retry-after", "0")) for each in told] == [0] * 5 + [12]
    answer = await refusal(consumer.scan(code))
    assert (answer.code, answer.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert answer.retry_after_seconds
    assert len(await registry.sql("SELECT 1 FROM scan.scan_events")) == 5, "a limited scan is none"
    assert "Too many checks from here" in await consumer.page(code)
    told_by_page = await consumer.page_metadata(code)
    assert told_by_page["x-page-status"] == "429"
    assert 0 < int(told_by_page["retry-after"]) <= 12
    assert (await consumer.using(address="203.0.113.9").scan(code)).history.total_scans <= 7


async def test_addresses_of_one_ipv6_network_are_one_caller(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    for host in range(5):
        await consumer.using(address=f"2001:db8:1:2::{host}").scan(code)
    assert (await refusal(consumer.using(address="2001:db8:1:2:ffff::1").scan(code))).reason == "RATE_LIMITED"
    await consumer.using(address="2001:db8:1:3::1").scan(code)


async def test_a_partners_key_has_a_limit_of_its_own_from_wherever_it_calls(
    consumer: Consumer, registry: Registry
) -> None:
    code = (await registry.issue()).codes[0]
    partner = consumer.using(credential=await registry.api_key())
    for turn in range(10):
        await partner.using(address=f"203.0.113.{turn % 2}").scan(code)
    answer = await refusal(partner.using(address="203.0.113.9").scan(code))
    assert answer.reason == "RATE_LIMITED"
    assert (await consumer.using(address="203.0.113.1").told(code))["x-ratelimit-remaining"] == "4"
    assert (await consumer.using(credential=await registry.api_key()).told(code))["x-ratelimit-limit"] == "10"


async def test_a_key_that_does_not_hold_counts_as_none(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    good, revoked = await registry.api_key(), await registry.api_key()
    ended = await registry.api_key(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    await registry.sql("UPDATE factory.api_keys SET revoked_at = now() WHERE key_id = $1", revoked.split("_")[1])
    wrong = good[:-1] + ("B" if good[-1] != "B" else "C")
    for place, credential in enumerate((revoked, ended, wrong, "vkt_nonsense", "a.b.c")):
        told = await consumer.using(credential=credential).told(code)
        assert (told["x-ratelimit-limit"], told["x-ratelimit-remaining"]) == ("5", str(4 - place))
    assert (await consumer.using(credential=wrong).told(code))["retry-after"], "made-up keys open nothing"
    await consumer.using(address="203.0.113.8", credential=good).scan(code)
    await consumer.using(credential=good).scan(code)


async def test_guesses_are_few_and_a_hit_does_not_show_then(consumer: Consumer, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    for _ in range(2):
        assert (await refusal(consumer.scan("A" * 20))).reason == "UNKNOWN_CODE"
    assert (await refusal(consumer.scan(registry.never_issued()))).reason == "RATE_LIMITED"
    assert (await refusal(consumer.scan(code))).reason == "RATE_LIMITED"


async def test_a_receipt_and_a_report_are_as_good_as_a_scan_to_a_guesser(
    consumer: Consumer, registry: Registry
) -> None:
    code = (await registry.issue()).codes[0]
    ways: tuple[Callable[[Consumer, str], Awaitable[object]], ...] = (
        lambda who, text: who.receipt(text),
        lambda who, text: who.report(code=text, reason="other"),
        lambda who, text: who.scan(text),
    )
    for number, way in enumerate(ways):
        guesser = consumer.using(address=f"203.0.113.{number}")
        assert (await refusal(way(guesser, "A" * 20))).reason == "UNKNOWN_CODE"
        assert (await refusal(way(guesser, registry.never_issued()))).reason == "UNKNOWN_CODE"
        for other_way in ways:
            assert (await refusal(other_way(guesser, code))).reason == "RATE_LIMITED"
    form = await consumer.using(address="203.0.113.1").send_form(code, b"reason=other")
    assert "Too many checks from here" in form


async def test_two_processes_count_together(scan_settings: Settings, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    async with open_app(scan_settings) as one, open_app(scan_settings) as two:
        consumers = [Consumer(f"127.0.0.1:{server.port}") for server in (one, two)]
        for turn in range(5):
            await consumers[turn % 2].scan(code)
        for each in consumers:
            assert (await refusal(each.scan(code))).reason == "RATE_LIMITED"


async def test_regions_count_apart_up_to_what_all_of_them_allow(scan_settings: Settings, registry: Registry) -> None:
    code = (await registry.issue()).codes[0]
    settings = [
        scan_settings.model_copy(update={"region": region, "global_scans_per_minute": 8})
        for region in ("south", "south", "north")
    ]
    async with open_app(settings[0]) as one, open_app(settings[1]) as two, open_app(settings[2]) as north:
        south = [Consumer(f"127.0.0.1:{server.port}") for server in (one, two)]
        for turn in range(5):
            await south[turn % 2].scan(code)
        assert (await refusal(south[1].scan(code))).reason == "RATE_LIMITED"
        elsewhere = Consumer(f"127.0.0.1:{north.port}")
        started = time.monotonic()
        told = [await elsewhere.told(code) for _ in range(4)]
        took = time.monotonic() - started
    assert [(each["x-ratelimit-limit"], each["x-ratelimit-remaining"]) for each in told] == [
        ("8", "2"),
        ("8", "1"),
        ("8", "0"),
        ("8", "0"),
    ]
    *allowed, last = [int(each.get("retry-after", "0")) for each in told]
    assert allowed == [0, 0, 0]
    assert math.ceil(60 / 8 - took) <= last <= 8, "an eighth of a minute, less what the calls took"


async def test_a_newcomer_is_told_of_half_with_valkey_and_without(
    scan_settings: Settings, registry: Registry, valkey: Valkey
) -> None:
    code = (await registry.issue()).codes[0]
    async with open_app(scan_settings.model_copy(update={"newcomer_seconds": 300})) as server:
        consumer = Consumer(f"127.0.0.1:{server.port}")
        for down, address in ((False, "203.0.113.5"), (True, "203.0.113.6")):
            if down:
                valkey.kill()
            try:
                told = [await consumer.using(address=address).told(code) for _ in range(3)]
            finally:
                valkey.start()
            assert [each["x-ratelimit-limit"] for each in told] == ["2"] * 3
            assert ["retry-after" in each for each in told] == [False, False, True]


async def test_while_valkey_is_away_the_process_limits_for_itself(
    consumer: Consumer, registry: Registry, valkey: Valkey
) -> None:
    code = (await registry.issue()).codes[0]
    valkey.kill()
    try:
        for _ in range(5):
            assert (await consumer.scan(code)).degraded
        assert (await refusal(consumer.scan(code))).reason == "RATE_LIMITED"
        guesser = consumer.using(address="203.0.113.1")
        for _ in range(2):
            assert (await refusal(guesser.receipt("A" * 20))).reason == "UNKNOWN_CODE"
        assert (await refusal(guesser.receipt(code))).reason == "RATE_LIMITED"
    finally:
        valkey.start()


async def test_the_platforms_ceiling_stands_without_valkey_too(
    scan_settings: Settings, registry: Registry, valkey: Valkey
) -> None:
    code = (await registry.issue()).codes[0]
    ceiling = {"scans_per_minute": 0, "failures_per_minute": 0, "key_scans_per_minute": 0, "scans_per_second": 3}
    async with open_app(scan_settings.model_copy(update=ceiling)) as server:
        consumer = Consumer(f"127.0.0.1:{server.port}")
        for down in (False, True):
            if down:
                valkey.kill()
            try:
                made = await asyncio.gather(*(consumer.scan(code) for _ in range(12)), return_exceptions=True)
            finally:
                valkey.start()
            refused = [each for each in made if isinstance(each, grpc.aio.AioRpcError)]
            assert 3 <= len(made) - len(refused) <= 6, "3 at once, and what comes free meanwhile"
            assert {each.code() for each in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
