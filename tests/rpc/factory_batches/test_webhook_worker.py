"""Webhooks from the worker as a process: what happens arrives, signed, whatever is killed around it."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest

from deploy.local.valkey import Valkey
from tests.rpc.calls import Client
from tests.rpc.conftest import Partner
from tests.rpc.factory_batches.conftest import Worker, order
from tests.webhook_receiver import Receiver, answering, receiving
from voketag.factory.v1 import dead_letters_pb2, factory_pb2, unit_events_pb2, webhooks_pb2
from voketag_sdk import WebhookEvent, webhooks

INTERRUPTED = "no outcome was recorded: the worker stopped in the middle"


@pytest.fixture
def worker(worker: Worker) -> Worker:
    """A worker whose requests end soon: what a dead one had in hand is free ten seconds after that."""
    worker.environment["VOKETAG_WEBHOOK_TIMEOUT_SECONDS"] = "1"
    return worker


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A partner's endpoint."""
    async with receiving() as running:
        yield running


async def endpoint(factory: Client, receiver: Receiver, *events: str) -> webhooks_pb2.WebhookEndpointSecret:
    return await factory.CreateWebhookEndpoint(
        webhooks_pb2.CreateWebhookEndpointRequest(url=receiver.url, events=events)
    )


async def arrived(receiver: Receiver, count: int, seconds: float = 40) -> None:
    async with asyncio.timeout(seconds):
        while len(receiver.requests) < count:  # noqa: ASYNC110 - what is waited for is elsewhere
            await asyncio.sleep(0.05)


def events(receiver: Receiver, secret: str) -> list[WebhookEvent]:
    return [webhooks.verify(each.body, each.headers, secret) for each in receiver.requests]


async def delivered(factory: Client, endpoint_id: str, seconds: float = 30) -> list[webhooks_pb2.WebhookDelivery]:
    """Wait until nothing waits for an endpoint; return its deliveries with their logs, oldest first."""
    async with asyncio.timeout(seconds):
        while True:
            page = await factory.ListWebhookDeliveries(
                webhooks_pb2.ListWebhookDeliveriesRequest(endpoint_id=endpoint_id)
            )
            if all(each.state == webhooks_pb2.WEBHOOK_DELIVERY_STATE_DELIVERED for each in page.deliveries):
                break
            await asyncio.sleep(0.1)
    requests = [
        webhooks_pb2.GetWebhookDeliveryRequest(endpoint_id=endpoint_id, delivery_id=each.delivery_id)
        for each in reversed(page.deliveries)
    ]
    return [await factory.GetWebhookDelivery(each) for each in requests]


async def test_what_happens_to_a_batch_arrives_signed_and_once_though_two_workers_run(
    factory: Client, product: factory_pb2.Product, worker: Worker, receiver: Receiver
) -> None:
    new = await endpoint(factory, receiver)
    second = dataclasses.replace(worker, process=None)
    worker.start()
    second.start()
    try:
        batches = [await order(factory, product, 3) for _ in range(5)]
        await arrived(receiver, 10)
        log = await delivered(factory, new.endpoint.endpoint_id)
    finally:
        second.kill()
    seen = events(receiver, new.secret)
    assert Counter((each.type, each.data["batch_id"]) for each in seen) == {
        (topic, batch.batch_id): 1 for topic in ("batch.created", "batch.issued") for batch in batches
    }
    assert len({each.id for each in seen}) == 10
    assert [(each.attempts, [tried.status for tried in each.log]) for each in log] == [(1, [204])] * 10


async def test_what_scan_tells_of_a_unit_arrives_with_scan_s_own_id_however_often_it_is_told(
    factory: Client, as_scan: Client, acme: Partner, worker: Worker, receiver: Receiver
) -> None:
    new = await endpoint(factory, receiver, "unit.high_risk")
    told = unit_events_pb2.UnitEvent(
        event_id=str(uuid4()),
        kind=unit_events_pb2.UNIT_EVENT_KIND_HIGH_RISK,
        tenant_id=str(acme.tenant_id),
        unit_id=1 << 40,
        batch_id=str(uuid4()),
        details={"risk_score": "90"},
    )
    told.occurred_at.GetCurrentTime()
    worker.start()
    for _ in range(2):
        await as_scan.NoteUnitEvents(unit_events_pb2.NoteUnitEventsRequest(events=[told]))
    await arrived(receiver, 1)
    await asyncio.sleep(1)
    (seen,) = events(receiver, new.secret)
    assert (seen.id, seen.type, seen.data["risk_score"]) == (told.event_id, "unit.high_risk", "90")


async def test_a_worker_killed_in_the_middle_of_a_delivery_has_a_successor_that_sends_it_with_the_same_id(
    factory: Client, worker: Worker, receiver: Receiver
) -> None:
    async def hang(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    receiver.answer = hang
    new = await endpoint(factory, receiver)
    endpoint_id = new.endpoint.endpoint_id
    await factory.TestWebhookEndpoint(webhooks_pb2.TestWebhookEndpointRequest(endpoint_id=endpoint_id))
    worker.environment["VOKETAG_WEBHOOK_TIMEOUT_SECONDS"] = "5"
    worker.start()
    await arrived(receiver, 1)
    worker.kill()
    receiver.answer = answering(204)
    worker.start()
    (delivery,) = await delivered(factory, endpoint_id)
    assert [(each.status, each.error) for each in delivery.log] == [(0, INTERRUPTED), (204, "")]
    assert receiver.ids == [delivery.event_id] * 2
    assert len({each.body for each in receiver.requests}) == 1


async def test_a_worker_that_is_asked_to_stop_ends_its_deliveries_first(
    factory: Client, worker: Worker, receiver: Receiver
) -> None:
    async def later(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.7)
        await answering(204)(writer)

    receiver.answer = later
    new = await endpoint(factory, receiver)
    endpoint_id = new.endpoint.endpoint_id
    await factory.TestWebhookEndpoint(webhooks_pb2.TestWebhookEndpointRequest(endpoint_id=endpoint_id))
    worker.start()
    await arrived(receiver, 1)
    assert await asyncio.to_thread(worker.end, 15) == 0
    (delivery,) = await delivered(factory, endpoint_id, seconds=1)
    assert [each.status for each in delivery.log] == [204]


async def test_without_a_queue_events_arrive_all_the_same(
    factory: Client, product: factory_pb2.Product, worker: Worker, receiver: Receiver, valkey: Valkey
) -> None:
    new = await endpoint(factory, receiver, "batch.created")
    worker.start()
    valkey.kill()
    try:
        batch = await order(factory, product, 1)
        await arrived(receiver, 1)
    finally:
        valkey.start()
    assert [each.data["batch_id"] for each in events(receiver, new.secret)] == [batch.batch_id]


async def test_a_batch_that_fails_tells_so_and_leaves_a_dead_letter_that_lets_it_go_on(
    factory: Client, product: factory_pb2.Product, worker: Worker, receiver: Receiver, sql: Callable[[str], str]
) -> None:
    new = await endpoint(factory, receiver, "batch.failed", "batch.issued")
    batch = await order(factory, product, 3)
    sql("INSERT INTO factory.signing_keys (key_id, created_at) VALUES (9, now())")
    sql("UPDATE factory.batches SET key_id = 9")
    worker.start()
    await arrived(receiver, 1)
    (failed,) = events(receiver, new.secret)
    assert (failed.type, failed.data["batch_id"]) == ("batch.failed", batch.batch_id)
    (letter,) = (await factory.ListDeadLetters(dead_letters_pb2.ListDeadLettersRequest())).dead_letters
    assert (letter.kind, letter.subject, letter.cause) == ("batch.issuing", batch.batch_id, failed.data["error"])
    sql("UPDATE factory.batches SET key_id = 1")
    await factory.ReplayDeadLetter(
        dead_letters_pb2.ReplayDeadLetterRequest(dead_letter_id=letter.dead_letter_id, reason="the key is back")
    )
    await arrived(receiver, 2)
    assert [each.type for each in events(receiver, new.secret)] == ["batch.failed", "batch.issued"]
