"""Webhook endpoints and deliveries."""

from datetime import timedelta
from uuid import UUID

from google.protobuf import empty_pb2

from services.common.paging import page_size
from services.common.rpc.call import Call
from services.factory.convert import webhooks as convert
from services.factory.convert.fields import position_uuid, text, who
from services.factory.idempotency import Writes
from services.factory.operations.deliveries import Deliveries
from services.factory.operations.webhooks import Webhooks
from voketag.factory.v1 import webhooks_pb2 as pb


class WebhookMethods:
    """The methods on webhooks."""

    _writes: Writes
    _webhooks: Webhooks
    _deliveries: Deliveries

    async def create_webhook_endpoint(
        self, request: pb.CreateWebhookEndpointRequest, call: Call
    ) -> pb.WebhookEndpointSecret:
        """Make an endpoint."""
        description, events, author = text("description", request.description), tuple(request.events), who(call.caller)
        await self._webhooks.check_target(request.url)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._webhooks.create(
                tx, call.caller.tenant, url=request.url, events=events, description=description, who=author
            ),
            convert.new_secret,
            remembered=convert.without_secret,
        )

    async def get_webhook_endpoint(self, request: pb.GetWebhookEndpointRequest, call: Call) -> pb.WebhookEndpoint:
        """Return one endpoint."""
        return convert.endpoint(await self._webhooks.get(call.caller.tenant, UUID(request.endpoint_id)))

    async def list_webhook_endpoints(
        self, request: pb.ListWebhookEndpointsRequest, call: Call
    ) -> pb.ListWebhookEndpointsResponse:
        """List endpoints, newest first."""
        page = await self._webhooks.list(
            call.caller.tenant, before=position_uuid(request.page_token), limit=page_size(request.page_size)
        )
        return convert.endpoint_page(page)

    async def update_webhook_endpoint(self, request: pb.UpdateWebhookEndpointRequest, call: Call) -> pb.WebhookEndpoint:
        """Change the fields that the mask names."""
        endpoint_id, change, author = UUID(request.endpoint_id), convert.change(request), who(call.caller)
        if "url" in change:
            await self._webhooks.check_target(request.endpoint.url)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._webhooks.update(tx, call.caller.tenant, endpoint_id, change, who=author),
            convert.endpoint,
        )

    async def delete_webhook_endpoint(self, request: pb.DeleteWebhookEndpointRequest, call: Call) -> empty_pb2.Empty:
        """Delete an endpoint."""
        endpoint_id, author = UUID(request.endpoint_id), who(call.caller)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._webhooks.delete(tx, call.caller.tenant, endpoint_id, who=author),
            lambda _: empty_pb2.Empty(),
        )

    async def rotate_webhook_secret(
        self, request: pb.RotateWebhookSecretRequest, call: Call
    ) -> pb.WebhookEndpointSecret:
        """Give an endpoint a new secret."""
        endpoint_id, author = UUID(request.endpoint_id), who(call.caller)
        overlap = timedelta(seconds=request.overlap_seconds)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._webhooks.rotate_secret(tx, call.caller.tenant, endpoint_id, overlap=overlap, who=author),
            convert.new_secret,
            remembered=convert.without_secret,
        )

    async def test_webhook_endpoint(self, request: pb.TestWebhookEndpointRequest, call: Call) -> pb.WebhookDelivery:
        """Send a test event."""
        endpoint_id = UUID(request.endpoint_id)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._webhooks.test(tx, call.caller.tenant, endpoint_id),
            convert.delivery,
        )

    async def list_webhook_deliveries(
        self, request: pb.ListWebhookDeliveriesRequest, call: Call
    ) -> pb.ListWebhookDeliveriesResponse:
        """List an endpoint's deliveries, newest first."""
        page = await self._deliveries.list(
            call.caller.tenant,
            UUID(request.endpoint_id),
            state=convert.state(request),
            before=position_uuid(request.page_token),
            limit=page_size(request.page_size),
        )
        return convert.delivery_page(page)

    async def get_webhook_delivery(self, request: pb.GetWebhookDeliveryRequest, call: Call) -> pb.WebhookDelivery:
        """Return one delivery with its log."""
        found = await self._deliveries.get(call.caller.tenant, UUID(request.endpoint_id), UUID(request.delivery_id))
        return convert.delivery(found)

    async def redeliver_webhooks(
        self, request: pb.RedeliverWebhooksRequest, call: Call
    ) -> pb.RedeliverWebhooksResponse:
        """Send deliveries again."""
        endpoint_id, which, author = UUID(request.endpoint_id), convert.which(request), who(call.caller)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._deliveries.send_again(tx, call.caller.tenant, endpoint_id, which, who=author),
            lambda count: pb.RedeliverWebhooksResponse(count=count),
        )
