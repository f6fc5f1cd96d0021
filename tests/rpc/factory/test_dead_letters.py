"""Dead letters on request: listed, looked at, replayed, discarded, each decision once and audited."""

import json
from typing import Any

import asyncpg
import pytest

from tests.conftest import DatabaseUrl
from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import Partner
from tests.rpc.factory.conftest import Bury, IssueBatch
from voketag.factory.v1 import dead_letters_pb2 as pb
from voketag.factory.v1 import factory_pb2, webhooks_pb2

UUID = "0197a1b2-0000-7000-8000-000000000000"


@pytest.fixture
async def delivery(factory: Client) -> webhooks_pb2.WebhookDelivery:
    """A delivery that waits."""
    new = await factory.CreateWebhookEndpoint(webhooks_pb2.CreateWebhookEndpointRequest(url="http://127.0.0.1:9/hook"))
    return await factory.TestWebhookEndpoint(
        webhooks_pb2.TestWebhookEndpointRequest(endpoint_id=new.endpoint.endpoint_id)
    )


async def execute(url: str, statement: str, *values: Any) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(statement, *values)
    finally:
        await connection.close()


async def test_what_waits_is_listed_newest_first_and_by_kind(factory: Client, bury: Bury) -> None:
    made = [await bury(UUID, kind=kind, note=kind) for kind in ("webhook.delivery", "batch.issuing", "batch.issuing")]
    page = await factory.ListDeadLetters(pb.ListDeadLettersRequest(page_size=2))
    rest = await factory.ListDeadLetters(pb.ListDeadLettersRequest(page_size=2, page_token=page.next_page_token))
    assert [each.dead_letter_id for each in [*page.dead_letters, *rest.dead_letters]] == made[::-1]
    page = await factory.ListDeadLetters(pb.ListDeadLettersRequest(kind="batch.issuing"))
    assert [each.dead_letter_id for each in page.dead_letters] == [made[2], made[1]]
    letter = await factory.GetDeadLetter(pb.GetDeadLetterRequest(dead_letter_id=made[0]))
    assert (letter.kind, letter.subject, letter.cause) == ("webhook.delivery", UUID, "answered 500")
    assert json.loads(letter.payload) == {"note": "webhook.delivery"}


async def test_a_delivery_is_replayed_once_and_the_audit_says_who_and_why(
    factory: Client, acme: Partner, delivery: webhooks_pb2.WebhookDelivery, bury: Bury, database_url: DatabaseUrl
) -> None:
    await execute(database_url(), "UPDATE factory.webhook_deliveries SET state = 'FAILED', due_at = NULL, tries = 8")
    letter_id = await bury(delivery.delivery_id, endpoint_id=delivery.endpoint_id)
    request = pb.ReplayDeadLetterRequest(dead_letter_id=letter_id, reason="the ERP is back")
    letter = await factory.ReplayDeadLetter(request)
    key_id = acme.api_key.split("_")[1]
    assert (letter.resolution, letter.resolved_by, letter.reason) == ("replayed", f"key {key_id}", "the ERP is back")
    refused = await refusal(factory.ReplayDeadLetter(request))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "DEAD_LETTER_RESOLVED")
    refused = await refusal(factory.DiscardDeadLetter(pb.DiscardDeadLetterRequest(dead_letter_id=letter_id)))
    assert (refused.reason, refused.metadata) == ("DEAD_LETTER_RESOLVED", {"resolution": "replayed"})
    again = await execute(database_url(), "SELECT state, tries, due_at <= now() FROM factory.webhook_deliveries")
    assert [tuple(row) for row in again] == [("PENDING", 0, True)]
    audited = await execute(
        database_url(), "SELECT who, action, subject, reason FROM factory.audit WHERE action LIKE 'dead_letter.%'"
    )
    assert [tuple(row) for row in audited] == [(f"key {key_id}", "dead_letter.replay", letter_id, "the ERP is back")]
    assert not (await factory.ListDeadLetters(pb.ListDeadLettersRequest())).dead_letters
    resolved = await factory.ListDeadLetters(pb.ListDeadLettersRequest(include_resolved=True))
    assert [each.dead_letter_id for each in resolved.dead_letters] == [letter_id]


async def test_a_redelivery_takes_the_dead_letter_along(
    factory: Client, delivery: webhooks_pb2.WebhookDelivery, bury: Bury
) -> None:
    letter_id = await bury(delivery.delivery_id, endpoint_id=delivery.endpoint_id)
    await factory.RedeliverWebhooks(
        webhooks_pb2.RedeliverWebhooksRequest(endpoint_id=delivery.endpoint_id, delivery_id=delivery.delivery_id)
    )
    assert (await factory.GetDeadLetter(pb.GetDeadLetterRequest(dead_letter_id=letter_id))).resolution == "replayed"


async def test_many_are_replayed_and_what_cannot_be_stops_no_other(
    factory: Client, factory_of_rival: Client, delivery: webhooks_pb2.WebhookDelivery, bury: Bury
) -> None:
    stuck = await bury(UUID, endpoint_id=UUID)
    for _ in range(2):
        await bury(delivery.delivery_id, endpoint_id=delivery.endpoint_id)
    request = pb.ReplayDeadLettersRequest(kind="webhook.delivery", reason="all of them")
    strangers = await factory_of_rival.ReplayDeadLetters(request)
    assert (strangers.count, strangers.remaining) == (0, 0)
    answer = await factory.ReplayDeadLetters(request)
    assert (answer.count, answer.remaining) == (2, 1)
    page = await factory.ListDeadLetters(pb.ListDeadLettersRequest())
    assert [each.dead_letter_id for each in page.dead_letters] == [stuck]


async def test_discarding_needs_no_replay_and_twice_by_request_id_is_once(factory: Client, bury: Bury) -> None:
    letter_id = await bury(UUID)
    request = pb.DiscardDeadLetterRequest(dead_letter_id=letter_id, reason="sold out", request_id=UUID)
    first, again = [await factory.DiscardDeadLetter(request) for _ in range(2)]
    assert first == again
    assert (first.resolution, first.reason) == ("discarded", "sold out")


async def test_the_dead_letter_of_a_batch_lets_it_go_on(
    factory: Client, issue_batch: IssueBatch, bury: Bury, database_url: DatabaseUrl
) -> None:
    batch_id = await issue_batch(1, state="FAILED")
    letter_id = await bury(batch_id, kind="batch.issuing")
    letter = await factory.ReplayDeadLetter(pb.ReplayDeadLetterRequest(dead_letter_id=letter_id, reason="mended"))
    assert (letter.resolution, letter.reason) == ("replayed", "mended")
    batch = await factory.GetBatch(factory_pb2.GetBatchRequest(batch_id=batch_id))
    assert batch.state == factory_pb2.BATCH_STATE_PENDING


async def test_a_batch_that_is_retried_or_cancelled_takes_its_dead_letter_along(
    factory: Client, issue_batch: IssueBatch, bury: Bury, database_url: DatabaseUrl
) -> None:
    batch_id = await issue_batch(1, state="FAILED")
    await execute(database_url(), "UPDATE factory.batches SET issued_count = 0")  # no tree to close
    letters = [await bury(batch_id, kind="batch.issuing")]
    await factory.RetryBatch(factory_pb2.RetryBatchRequest(batch_id=batch_id))
    letters.append(await bury(batch_id, kind="batch.issuing"))
    await factory.CancelBatch(factory_pb2.CancelBatchRequest(batch_id=batch_id))
    found = [await factory.GetDeadLetter(pb.GetDeadLetterRequest(dead_letter_id=each)) for each in letters]
    assert [each.resolution for each in found] == ["replayed", "discarded"]
    assert all(each.resolved_by.startswith("key ") for each in found)
