"""From an event to the partner, through all that partners' endpoints do."""

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest

from services.common.errors import WebhookDisabled
from services.factory.model.webhooks import DeliveryState
from tests.storage.factory_webhooks.conftest import IN_HAND, PostOffice
from tests.webhook_receiver import Receiver, answering, receiving

# By hand from the schedule of the documentation: 10 s, 1 min, 10 min, 1 h, 3 h, 7 h, 12 h 48 min 50 s; 24 hours.
DELAYS = [10, 60, 600, 3600, 10800, 25200, 46130]


async def test_an_event_arrives_signed_as_standard_webhooks_says(office: PostOffice, receiver: Receiver) -> None:
    new = await office.endpoint(receiver.url)
    await office.happen("batch.completed")
    assert await office.deliver_due() == 1
    request = receiver.requests[0]
    assert request.line == "POST /hook HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    body = json.loads(request.body)
    assert (body["type"], body["data"]) == ("batch.completed", {"batch_id": "7"})
    assert body["timestamp"].endswith("Z")
    stamp = request.headers["webhook-timestamp"]
    assert stamp == str(int(office.clock.now().timestamp()))
    signed = f"{request.headers['webhook-id']}.{stamp}.".encode() + request.body
    key = base64.b64decode(new.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    delivery = (await office.log(new.endpoint.endpoint_id))[0]
    assert (delivery.state, delivery.attempts, delivery.due_at) == (DeliveryState.DELIVERED, 1, None)
    assert (str(delivery.event_id), delivery.body.encode()) == (receiver.ids[0], request.body)
    assert [(each.status, each.error, each.url) for each in delivery.log] == [(204, "", receiver.url)]


async def test_each_endpoint_gets_what_it_asked_for(office: PostOffice) -> None:
    async with receiving() as everything, receiving() as failures, receiving() as nothing:
        await office.endpoint(everything.url)
        await office.endpoint(failures.url, "batch.failed")
        await office.endpoint(nothing.url, "unit.reported")
        await office.happen("batch.completed")
        await office.happen("batch.failed")
        await office.deliver_due()
    topics = [[json.loads(each.body)["type"] for each in one.requests] for one in (everything, failures, nothing)]
    assert topics == [["batch.completed", "batch.failed"], ["batch.failed"], []]
    assert everything.ids[1] == failures.ids[0]


async def test_an_event_that_is_told_twice_is_one(office: PostOffice, receiver: Receiver) -> None:
    new = await office.endpoint(receiver.url)
    event_id = new.endpoint.endpoint_id
    for _ in range(2):
        await office.happen("key.expiring", event_id=event_id)
    await office.deliver_due()
    assert receiver.ids == [str(event_id)]


async def test_eight_tries_over_a_day_and_then_a_dead_letter(office: PostOffice, receiver: Receiver) -> None:
    new = await office.endpoint(receiver.url)
    receiver.answer = answering(500, b"out of order")
    await office.happen()
    assert await office.deliver_due() == 1
    for delay in DELAYS:
        office.clock.move(seconds=delay - 1)
        assert await office.deliver_due() == 0
        office.clock.move(seconds=1)
        assert await office.deliver_due() == 1
    office.clock.move(days=30)
    assert await office.deliver_due() == 0
    assert (len(receiver.requests), len(set(receiver.ids)), len({each.body for each in receiver.requests})) == (8, 1, 1)
    delivery = (await office.log(new.endpoint.endpoint_id))[0]
    assert (delivery.state, delivery.attempts) == (DeliveryState.FAILED, 8)
    assert {(each.status, each.response_excerpt, each.error) for each in delivery.log} == {(500, "out of order", "")}
    assert delivery.log[-1].attempted_at - delivery.log[0].attempted_at == timedelta(hours=24)
    page = await office.dead_letters.list(
        office.tenant_id, kind="webhook.delivery", include_resolved=False, before=None, limit=10
    )
    (letter,) = page.items
    assert (letter.subject, letter.cause) == (str(delivery.delivery_id), "8 tries, the last: answered 500")
    assert letter.payload["body"] == delivery.body
    assert "whsec" not in json.dumps(letter.payload)


async def test_an_endpoint_that_is_down_for_hours_gets_its_events_when_it_is_back(office: PostOffice) -> None:
    async with receiving() as receiver:
        port, new = int(receiver.url.split(":")[2].split("/")[0]), await office.endpoint(receiver.url)
    await office.happen()
    for delay in [0, *DELAYS[:5]]:
        office.clock.move(seconds=delay)
        assert await office.deliver_due() == 1
    async with receiving(port=port) as receiver:
        office.clock.move(seconds=DELAYS[5])
        assert await office.deliver_due() == 1
        assert len(receiver.requests) == 1
    delivery = (await office.log(new.endpoint.endpoint_id))[0]
    assert delivery.state is DeliveryState.DELIVERED
    assert [(each.status, each.error) for each in delivery.log] == [(0, "no connection")] * 6 + [(204, "")]


async def test_a_redirect_is_a_failure_and_not_followed(office: PostOffice, receiver: Receiver) -> None:
    async with receiving() as elsewhere:
        new = await office.endpoint(receiver.url)
        receiver.answer = answering(307, location=elsewhere.url)
        await office.happen()
        await office.deliver_due()
        assert elsewhere.requests == []
    delivery = (await office.log(new.endpoint.endpoint_id))[0]
    assert (delivery.state, delivery.log[0].status) == (DeliveryState.PENDING, 307)
    assert delivery.log[0].error == "redirects are not followed"


async def test_gone_disables_the_endpoint_and_what_it_missed_can_be_sent_later(
    office: PostOffice, receiver: Receiver
) -> None:
    new = await office.endpoint(receiver.url)
    endpoint_id = new.endpoint.endpoint_id
    receiver.answer = answering(410)
    for _ in range(2):
        await office.happen()
    assert await office.deliver_due() == 1
    endpoint = await office.webhooks.get(office.tenant_id, endpoint_id)
    assert (endpoint.disabled, endpoint.disabled_reason) == (True, "gone")
    await office.happen()
    assert await office.deliver_due() == 0
    assert [each.state for each in await office.log(endpoint_id)] == [DeliveryState.CANCELLED] * 3
    async with office.database.transaction() as tx:
        with pytest.raises(WebhookDisabled):
            await office.deliveries.send_again(
                tx, office.tenant_id, endpoint_id, office.clock.now() - timedelta(days=365), who="key test"
            )
    receiver.answer = answering(200)
    async with office.database.transaction() as tx:
        enabled = await office.webhooks.update(tx, office.tenant_id, endpoint_id, {"disabled": False}, who="key test")
        assert enabled.disabled_reason == ""
        again = await office.deliveries.send_again(
            tx, office.tenant_id, endpoint_id, office.clock.now() - timedelta(days=365), who="key test"
        )
    assert again == 3
    await office.deliver_due()
    assert [each.state for each in await office.log(endpoint_id)] == [DeliveryState.DELIVERED] * 3
    assert len(set(receiver.ids)) == 3


async def dribble(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 x\r\n\r\n")
    while True:
        writer.write(b"x" * 100_000)
        await writer.drain()


async def silence(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def headers_without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 x\r\n")
    while True:
        writer.write(b"a: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    await writer.drain()


async def nothing(_: asyncio.StreamWriter) -> None:
    return


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (dribble, (DeliveryState.DELIVERED, 200, "")),
        (silence, (DeliveryState.PENDING, 0, "timed out")),
        (headers_without_end, (DeliveryState.PENDING, 0, "the answer is no HTTP")),
        (nonsense, (DeliveryState.PENDING, 0, "the answer is no HTTP")),
        (nothing, (DeliveryState.PENDING, 0, "the connection was closed without an answer")),
        (answering(204), (DeliveryState.DELIVERED, 204, "")),
        (answering(299), (DeliveryState.DELIVERED, 299, "")),
        (answering(304), (DeliveryState.PENDING, 304, "redirects are not followed")),
        (answering(400, b"\xff\0no"), (DeliveryState.PENDING, 400, "")),
    ],
)
async def test_whatever_an_endpoint_answers_is_bounded_and_logged_as_it_was(
    office: PostOffice, receiver: Receiver, answer, expected: tuple[DeliveryState, int, str]
) -> None:
    receiver.answer = answer
    new = await office.endpoint(receiver.url)
    await office.happen()
    async with asyncio.timeout(5):
        await office.deliver_due()
    delivery = (await office.log(new.endpoint.endpoint_id))[0]
    assert (delivery.state, delivery.log[0].status, delivery.log[0].error) == expected
    assert len(delivery.log[0].response_excerpt) <= 1000


async def test_while_a_secret_rotates_both_sign(office: PostOffice, receiver: Receiver) -> None:
    new = await office.endpoint(receiver.url)
    async with office.database.transaction() as tx:
        rotated = await office.webhooks.rotate_secret(
            tx, office.tenant_id, new.endpoint.endpoint_id, overlap=timedelta(hours=1), who="key test"
        )
    for _ in range(2):
        await office.happen()
        await office.deliver_due()
        office.clock.move(hours=1)
    signatures = [request.headers["webhook-signature"].split(" ") for request in receiver.requests]
    assert [len(each) for each in signatures] == [2, 1]
    for request, given in zip(receiver.requests, signatures, strict=True):
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
        secrets = [rotated.secret, new.secret][: len(given)]
        keys = [base64.b64decode(each.removeprefix("whsec_")) for each in secrets]
        assert given == [
            "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys
        ]


async def test_secrets_are_not_in_the_database(office: PostOffice, receiver: Receiver, sql) -> None:
    new = await office.endpoint(receiver.url)
    stored = bytes.fromhex(sql("SELECT encode(secret, 'hex') FROM factory.webhook_endpoints"))
    assert base64.b64decode(new.secret.removeprefix("whsec_")) not in stored
    async with office.database.transaction() as tx:
        await office.webhooks.delete(tx, office.tenant_id, new.endpoint.endpoint_id, who="key test")
    assert sql("SELECT length(secret), previous_secret FROM factory.webhook_endpoints") == "0|"


async def test_two_workers_share_the_work_and_a_late_one_changes_nothing(
    office: PostOffice, receiver: Receiver
) -> None:
    new = await office.endpoint(receiver.url)
    await office.happen()
    late, nobody = await asyncio.gather(office.take(), office.take())
    assert sorted([len(late), len(nobody)]) == [0, 1]
    (held,) = late or nobody
    receiver.answer = answering(500)
    office.clock.move(seconds=IN_HAND.total_seconds())
    assert await office.deliver_due() == 1  # the second try: the first was never recorded
    before = (await office.log(new.endpoint.endpoint_id))[0]
    assert before.log[0].error == "no outcome was recorded: the worker stopped in the middle"
    await office.deliverer.deliver(held)  # the first worker wakes up, and fails, too
    after = (await office.log(new.endpoint.endpoint_id))[0]
    assert (after.state, after.due_at, after.attempts) == (DeliveryState.PENDING, before.due_at, 2)
    assert [each.status for each in after.log] == [500, 500]
    assert len(set(receiver.ids)) == 1


async def test_what_a_late_worker_delivered_is_delivered(office: PostOffice, receiver: Receiver) -> None:
    new = await office.endpoint(receiver.url)
    await office.happen()
    (held,) = await office.take()
    office.clock.move(seconds=IN_HAND.total_seconds())
    receiver.answer = answering(500)
    await office.deliver_due()
    receiver.answer = answering(200)
    await office.deliverer.deliver(held)
    delivery = (await office.log(new.endpoint.endpoint_id))[0]
    assert (delivery.state, delivery.due_at) == (DeliveryState.DELIVERED, None)
    assert [each.status for each in delivery.log] == [200, 500]
