"""The worker's loop: slow endpoints, many deliveries, outages, and what is forgotten."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from deploy.local.postgres import Postgres
from services.common.ids import uuid7
from services.factory.model.webhooks import DeliveryState
from services.factory.operations import dead_letters, outbox
from services.factory.operations.event_retention import EventRetention
from services.factory.webhook_jobs import WebhookWorker
from tests.storage.factory_webhooks.conftest import PostOffice
from tests.webhook_receiver import Receiver, answering, receiving


@asynccontextmanager
async def working(worker: WebhookWorker) -> AsyncIterator[None]:
    """Let a worker work, and stop it."""
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def until(what: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a function says yes."""
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - what is waited for is elsewhere
            await asyncio.sleep(0.02)


async def put_many(office: PostOffice, count: int) -> None:
    async with office.database.transaction() as tx:
        for _ in range(count):
            await outbox.put(tx, office.tenant_id, "batch.completed", subject=uuid7(), payload={})


async def test_a_slow_endpoint_delays_nobody_else(office: PostOffice) -> None:
    async def hang(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with AsyncExitStack() as stack:
        slow = [await stack.enter_async_context(receiving()) for _ in range(3)]
        quick = await stack.enter_async_context(receiving())
        for each in slow:
            each.answer = hang
            await office.endpoint(each.url)
        await office.endpoint(quick.url)
        await put_many(office, 40)
        # Ten places for four endpoints: without places of their own, three slow ones would have them all for a second.
        began = asyncio.get_running_loop().time()
        async with working(office.worker(at_once=10, per_endpoint=2)):
            await until(lambda: len(quick.requests) == 40)
            took = asyncio.get_running_loop().time() - began
            tried = [len(each.requests) for each in slow]
        # 40 deliveries of a second each wait at every slow one, two at a time at most: they are not done before 20 s.
        assert took < 10
        assert len(set(quick.ids)) == 40
        assert all(2 <= each <= 2 * (took + 1) for each in tried)


async def test_an_endpoint_that_fails_has_one_place(office: PostOffice, receiver: Receiver) -> None:
    receiver.answer = answering(500)
    await office.endpoint(receiver.url)
    await put_many(office, 1)
    worker = office.worker(per_endpoint=4)
    async with working(worker):
        await until(lambda: len(receiver.requests) == 1)
        await asyncio.sleep(0.3)
        receiver.most_at_once = 0
        await put_many(office, 12)
        await until(lambda: len(receiver.requests) == 13)
    assert receiver.most_at_once == 1


async def test_two_workers_at_once_send_each_event_once(office: PostOffice, receiver: Receiver) -> None:
    new = await office.endpoint(receiver.url)
    await put_many(office, 60)
    async with working(office.worker()), working(office.worker()):
        await until(lambda: len(receiver.requests) >= 60)
        await asyncio.sleep(0.3)
    assert (len(receiver.requests), len(set(receiver.ids))) == (60, 60)
    found = await office.log(new.endpoint.endpoint_id)
    assert [(each.state, each.attempts, len(each.log)) for each in found] == [(DeliveryState.DELIVERED, 1, 1)] * 60


async def test_outcomes_wait_for_a_database_that_is_away(
    office: PostOffice, receiver: Receiver, postgres: Postgres
) -> None:
    new = await office.endpoint(receiver.url)
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def answer_later(writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.wait_for(go_on.wait(), 0.9)
        await answering(204)(writer)

    receiver.answer = answer_later
    await put_many(office, 1)
    try:
        async with working(office.worker()):
            await arrived.wait()
            postgres.kill()
            go_on.set()
            await asyncio.sleep(0.5)
            postgres.start()
            async with asyncio.timeout(20):
                state = DeliveryState.PENDING
                while state is not DeliveryState.DELIVERED:
                    await asyncio.sleep(0.1)
                    with contextlib.suppress(Exception):  # the database is starting
                        (found,) = await office.log(new.endpoint.endpoint_id)
                        state = found.state
    finally:
        postgres.start()
    assert len(receiver.requests) == 1
    assert [(each.status, each.error) for each in found.log] == [(204, "")]


async def test_a_publisher_that_fails_publishes_the_events_again_and_makes_no_delivery_twice(
    office: PostOffice, receiver: Receiver, sql
) -> None:
    new = await office.endpoint(receiver.url)
    await put_many(office, 3)
    await office.publisher.publish()
    sql("UPDATE factory.outbox SET published_at = NULL")  # as if the commit had not been
    assert await office.publisher.publish() == 3
    assert len(await office.log(new.endpoint.endpoint_id)) == 3


async def test_an_event_of_a_newer_server_is_published_by_an_older_worker(
    office: PostOffice, receiver: Receiver, sql
) -> None:
    await office.endpoint(receiver.url)
    await put_many(office, 2)
    newest = "(SELECT max(event_id::text)::uuid FROM factory.outbox)"
    sql(f"UPDATE factory.outbox SET topic = 'batch.teleported' WHERE event_id = {newest}")  # noqa: S608 - our own value
    async with working(office.worker()):
        await until(lambda: len(receiver.requests) == 2)
    assert {json.loads(each.body)["type"] for each in receiver.requests} == {"batch.completed", "batch.teleported"}


async def test_a_dead_letter_is_replayed_to_the_partner(office: PostOffice, receiver: Receiver) -> None:
    new = await office.endpoint(receiver.url)
    receiver.answer = answering(503)
    await office.happen()
    for _ in range(8):
        await office.deliver_due()
        office.clock.move(days=1)
    receiver.answer = answering(200)
    async with office.database.transaction() as tx:
        counts = await office.dead_letters.replay_all(
            tx, office.tenant_id, kind="webhook.delivery", since=None, who="key test", reason="repaired"
        )
    assert counts == (1, 0)
    await office.deliver_due()
    (found,) = await office.log(new.endpoint.endpoint_id)
    assert (found.state, found.attempts) == (DeliveryState.DELIVERED, 9)
    assert (len(receiver.ids), len(set(receiver.ids))) == (9, 1)


async def test_what_waits_is_shown_and_so_is_its_age(office: PostOffice, receiver: Receiver, sql) -> None:
    await office.endpoint(receiver.url)
    now = office.clock.now()
    async with office.database.transaction() as tx:
        await dead_letters.bury(
            tx, office.tenant_id, "webhook.delivery", subject=uuid7(), cause="500", payload={}, now=now
        )
    sql("UPDATE factory.dead_letters SET created_at = now() - interval '1 hour'")
    async with working(office.worker()):
        await until(lambda: (REGISTRY.get_sample_value("voketag_factory_dead_letter_age_seconds") or 0) > 3599)
        assert REGISTRY.get_sample_value("voketag_factory_dead_letters") == 1
        assert REGISTRY.get_sample_value("voketag_factory_outbox_waiting") == 0


@pytest.mark.parametrize(("days", "left"), [(29, [1, 2, 1, 2]), (31, [0, 1, 0, 1])])
async def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(
    office: PostOffice, receiver: Receiver, sql, days: int, left: list[int]
) -> None:
    retention = EventRetention(database=office.database, clock=office.clock, kept=timedelta(days=30))
    new = await office.endpoint(receiver.url)
    await office.happen()
    await office.deliver_due()
    receiver.answer = answering(500)
    await office.happen()
    await office.deliver_due()
    now = office.clock.now()
    async with office.database.transaction() as tx:
        for _ in range(2):
            await dead_letters.bury(
                tx, office.tenant_id, "webhook.delivery", subject=uuid7(), cause="500", payload={}, now=now
            )
    page = await office.dead_letters.list(office.tenant_id, kind="", include_resolved=False, before=None, limit=10)
    first = page.items[0].dead_letter_id
    async with office.database.transaction() as tx:
        await office.dead_letters.discard(tx, office.tenant_id, first, who="key test", reason="")
    stamp = now.isoformat()
    sql(f"UPDATE factory.outbox SET created_at = '{stamp}', published_at = '{stamp}'")  # noqa: S608 - our own value
    sql(f"UPDATE factory.webhook_deliveries SET created_at = '{stamp}'")  # noqa: S608 - our own value
    newest = "(SELECT max(event_id::text)::uuid FROM factory.outbox)"
    sql(f"UPDATE factory.outbox SET published_at = NULL WHERE event_id = {newest}")  # noqa: S608 - our own value
    office.clock.move(days=days)
    await retention.forget_events()
    counts = [
        int(sql(f"SELECT count(*) FROM factory.{query}"))  # noqa: S608 - our own value
        for query in (
            "outbox WHERE published_at IS NOT NULL",
            "webhook_deliveries",
            "dead_letters WHERE resolved_at IS NOT NULL",
            "webhook_attempts",
        )
    ]
    assert counts == left
    assert sql("SELECT count(*) FROM factory.outbox WHERE published_at IS NULL") == "1"
    assert sql("SELECT count(*) FROM factory.dead_letters WHERE resolved_at IS NULL") == "1"
    assert [each.state for each in await office.log(new.endpoint.endpoint_id)][-1] is DeliveryState.PENDING
