"""A maker's word is obeyed by every scan process within a second, with and without news of it."""

import asyncio

from redis.asyncio import Redis

from deploy.local.valkey import Valkey
from tests.rpc.scan.clients import Consumer
from tests.rpc.scan.registry import Registry
from voketag.scan.v1 import scan_pb2


async def test_a_recall_is_obeyed_within_a_second_when_no_news_of_it_arrives(
    consumer: Consumer, registry: Registry
) -> None:
    code = (await registry.issue()).codes[0]
    assert (await consumer.scan(code)).verdict == scan_pb2.VERDICT_AUTHENTIC
    await registry.sql("UPDATE factory.units SET state = 3")
    await asyncio.sleep(1)
    assert (await consumer.scan(code)).verdict == scan_pb2.VERDICT_RECALLED


async def test_news_of_a_unit_make_a_recall_immediate(
    consumer: Consumer, registry: Registry, hot_state_url: str
) -> None:
    batch = await registry.issue()
    assert (await consumer.scan(batch.codes[0])).verdict == scan_pb2.VERDICT_AUTHENTIC
    await registry.sql("UPDATE factory.units SET state = 3")
    async with Redis.from_url(hot_state_url) as redis:
        assert await redis.publish("voketag:units", batch.unit_ids[0]) >= 1, "the server listens"
    await asyncio.sleep(0.1)
    assert (await consumer.scan(batch.codes[0])).verdict == scan_pb2.VERDICT_RECALLED


async def test_a_code_that_was_unknown_is_known_within_a_second_of_its_issue(
    consumer: Consumer, registry: Registry
) -> None:
    code = (await registry.issue(state="ISSUING", issued=0)).codes[0]
    assert "genuine" not in await consumer.page(code)
    await registry.sql("UPDATE factory.batches SET state = 'ANCHORING', issued_count = quantity")
    await asyncio.sleep(1)
    assert (await consumer.scan(code)).valid


async def test_news_arrive_again_after_the_hot_state_was_away(
    consumer: Consumer, registry: Registry, valkey: Valkey, hot_state_url: str
) -> None:
    batch = await registry.issue()
    valkey.kill()
    valkey.start()
    async with Redis.from_url(hot_state_url) as redis, asyncio.timeout(5):
        while not await redis.publish("voketag:units", 0):  # noqa: ASYNC110 - waits for a server, not for us
            await asyncio.sleep(0.1)
        assert (await consumer.scan(batch.codes[0])).verdict == scan_pb2.VERDICT_AUTHENTIC
        await registry.sql("UPDATE factory.units SET state = 4")
        await redis.publish("voketag:units", batch.unit_ids[0])
    await asyncio.sleep(0.1)
    assert (await consumer.scan(batch.codes[0])).verdict == scan_pb2.VERDICT_BLOCKED
