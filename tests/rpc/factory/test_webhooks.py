"""Webhook endpoints on request: made, changed, rotated, tested, deleted, and what was sent."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from services.factory.app import open_app
from services.factory.settings import Settings
from tests.rpc.calls import Client, refusal
from tests.rpc.conftest import Partner
from voketag.factory.v1 import webhooks_pb2 as pb

URL = "http://127.0.0.1:9/hook"
REQUEST_ID = "0197a1b2-0000-7000-8000-00000000000a"


async def make(factory: Client, **more: object) -> pb.WebhookEndpointSecret:
    return await factory.CreateWebhookEndpoint(pb.CreateWebhookEndpointRequest(**{"url": URL, **more}))


async def test_an_endpoint_is_made_with_a_secret_that_is_shown_once(factory: Client) -> None:
    new = await make(factory, events=["batch.failed", "batch.completed"], description="ERP", request_id=REQUEST_ID)
    assert new.secret.startswith("whsec_")
    endpoint = new.endpoint
    assert (endpoint.url, list(endpoint.events)) == (URL, ["batch.completed", "batch.failed"])
    assert (endpoint.description, endpoint.disabled) == ("ERP", False)
    again = await make(factory, events=["batch.failed", "batch.completed"], description="ERP", request_id=REQUEST_ID)
    assert (again.endpoint, again.secret) == (endpoint, "")
    found = await factory.GetWebhookEndpoint(pb.GetWebhookEndpointRequest(endpoint_id=endpoint.endpoint_id))
    assert found == endpoint


async def test_endpoints_are_listed_newest_first_in_pages(factory: Client) -> None:
    made = [(await make(factory)).endpoint.endpoint_id for _ in range(3)]
    first = await factory.ListWebhookEndpoints(pb.ListWebhookEndpointsRequest(page_size=2))
    rest = await factory.ListWebhookEndpoints(
        pb.ListWebhookEndpointsRequest(page_size=2, page_token=first.next_page_token)
    )
    assert [each.endpoint_id for each in [*first.endpoints, *rest.endpoints]] == made[::-1]
    assert rest.next_page_token == ""


async def test_a_tenant_has_at_most_twenty_endpoints(factory: Client) -> None:
    made = [(await make(factory)).endpoint.endpoint_id for _ in range(20)]
    refused = await refusal(make(factory))
    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "WEBHOOK_LIMIT")
    await factory.DeleteWebhookEndpoint(pb.DeleteWebhookEndpointRequest(endpoint_id=made[0]))
    assert await make(factory)


async def test_what_the_mask_names_is_changed(factory: Client) -> None:
    endpoint = (await make(factory, events=["batch.failed"], description="ERP")).endpoint
    request = pb.UpdateWebhookEndpointRequest(
        endpoint_id=endpoint.endpoint_id,
        endpoint=pb.WebhookEndpointChange(url="http://127.0.0.1:9/other", disabled=True),
    )
    changed = await factory.UpdateWebhookEndpoint(request)
    assert (changed.url, changed.disabled, list(changed.events)) == (
        "http://127.0.0.1:9/other",
        True,
        ["batch.failed"],
    )
    request = pb.UpdateWebhookEndpointRequest(
        endpoint_id=endpoint.endpoint_id,
        endpoint=pb.WebhookEndpointChange(),
        update_mask=FieldMask(paths=["events", "disabled"]),
    )
    changed = await factory.UpdateWebhookEndpoint(request)
    assert (list(changed.events), changed.disabled, changed.description) == ([], False, "ERP")


async def test_a_rotated_secret_is_another_and_the_old_one_has_its_time(factory: Client) -> None:
    new = await make(factory)
    request = pb.RotateWebhookSecretRequest(endpoint_id=new.endpoint.endpoint_id, overlap_seconds=3600)
    rotated = await factory.RotateWebhookSecret(request)
    assert rotated.secret.startswith("whsec_")
    assert rotated.secret != new.secret
    left = rotated.endpoint.previous_secret_until.ToDatetime() - rotated.endpoint.updated_at.ToDatetime()
    assert left.total_seconds() == 3600
    at_once = await factory.RotateWebhookSecret(pb.RotateWebhookSecretRequest(endpoint_id=new.endpoint.endpoint_id))
    assert not at_once.endpoint.HasField("previous_secret_until")


async def test_a_test_event_waits_to_be_sent_and_its_delivery_tells_how_it_went(factory: Client) -> None:
    endpoint_id = (await make(factory, events=["unit.reported"])).endpoint.endpoint_id
    sent = await factory.TestWebhookEndpoint(pb.TestWebhookEndpointRequest(endpoint_id=endpoint_id))
    assert (sent.event, sent.state) == ("webhook.test", pb.WEBHOOK_DELIVERY_STATE_PENDING)
    assert endpoint_id in sent.payload
    page = await factory.ListWebhookDeliveries(pb.ListWebhookDeliveriesRequest(endpoint_id=endpoint_id))
    assert [(each.delivery_id, each.payload) for each in page.deliveries] == [(sent.delivery_id, "")]
    found = await factory.GetWebhookDelivery(
        pb.GetWebhookDeliveryRequest(endpoint_id=endpoint_id, delivery_id=sent.delivery_id)
    )
    assert found == sent


async def test_deleting_ends_what_waits_and_leaves_the_log_and_twice_is_no_error(factory: Client) -> None:
    endpoint_id = (await make(factory)).endpoint.endpoint_id
    await factory.TestWebhookEndpoint(pb.TestWebhookEndpointRequest(endpoint_id=endpoint_id))
    for _ in range(2):
        await factory.DeleteWebhookEndpoint(pb.DeleteWebhookEndpointRequest(endpoint_id=endpoint_id))
    gone = await refusal(factory.GetWebhookEndpoint(pb.GetWebhookEndpointRequest(endpoint_id=endpoint_id)))
    assert gone.reason == "WEBHOOK_NOT_FOUND"
    assert not (await factory.ListWebhookEndpoints(pb.ListWebhookEndpointsRequest())).endpoints
    page = await factory.ListWebhookDeliveries(pb.ListWebhookDeliveriesRequest(endpoint_id=endpoint_id))
    assert [each.state for each in page.deliveries] == [pb.WEBHOOK_DELIVERY_STATE_CANCELLED]


async def test_nothing_is_sent_to_a_disabled_endpoint(factory: Client) -> None:
    endpoint_id = (await make(factory)).endpoint.endpoint_id
    sent = await factory.TestWebhookEndpoint(pb.TestWebhookEndpointRequest(endpoint_id=endpoint_id))
    await factory.UpdateWebhookEndpoint(
        pb.UpdateWebhookEndpointRequest(endpoint_id=endpoint_id, endpoint=pb.WebhookEndpointChange(disabled=True))
    )
    again = pb.RedeliverWebhooksRequest(endpoint_id=endpoint_id, delivery_id=sent.delivery_id)
    for call in (
        factory.TestWebhookEndpoint(pb.TestWebhookEndpointRequest(endpoint_id=endpoint_id)),
        factory.RedeliverWebhooks(again),
    ):
        refused = await refusal(call)
        assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "WEBHOOK_DISABLED")
    await factory.UpdateWebhookEndpoint(
        pb.UpdateWebhookEndpointRequest(
            endpoint_id=endpoint_id,
            endpoint=pb.WebhookEndpointChange(),
            update_mask=FieldMask(paths=["disabled"]),
        )
    )
    assert (await factory.RedeliverWebhooks(again)).count == 1
    page = await factory.ListWebhookDeliveries(
        pb.ListWebhookDeliveriesRequest(endpoint_id=endpoint_id, state=pb.WEBHOOK_DELIVERY_STATE_PENDING)
    )
    assert [each.delivery_id for each in page.deliveries] == [sent.delivery_id]


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.example/",
        "https://127.0.0.1/hook",
        "https://localhost/hook",
        "https://10.1.2.3/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/hook",
        "https://[::ffff:127.0.0.1]/hook",
        "https://[64:ff9b::7f00:1]/hook",
        "https://2130706433/hook",
        "https://user:password@hook.example/",
        "https://name-that-does-not-resolve.invalid/hook",
    ],
)
async def test_a_target_that_is_not_public_is_refused(factory_settings: Settings, acme: Partner, url: str) -> None:
    import grpc

    from voketag.factory.v1 import factory_pb2_grpc

    settings = factory_settings.model_copy(update={"webhook_private_targets": False})
    async with (
        open_app(settings) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        factory = Client(factory_pb2_grpc.FactoryServiceStub(channel), acme.api_key)
        refused = await refusal(make(factory, url=url))
    assert (refused.code, refused.reason, refused.fields) == ("INVALID_ARGUMENT", "WEBHOOK_TARGET_REFUSED", ["url"])


def test_private_targets_are_for_local_stacks_alone(factory_settings: Settings) -> None:
    told = factory_settings.model_dump() | {"environment": "production"}
    with pytest.raises(ValueError, match="only `local` may have it"):
        Settings(**told)
