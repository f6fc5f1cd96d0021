"""Webhook endpoints of the tenant, and what was sent to them."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from voketag.factory.v1 import webhooks_pb2 as pb
from voketag_sdk import _convert
from voketag_sdk._items import AsyncItems
from voketag_sdk._transport import Transport
from voketag_sdk.errors import WebhookSecretLost
from voketag_sdk.models import NewWebhookEndpoint, WebhookDelivery, WebhookDeliveryState, WebhookEndpoint


class AsyncWebhooks:
    """Webhook endpoints of the tenant, and what was sent to them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        url: str,
        *,
        events: Iterable[str] = (),
        description: str = "",
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> NewWebhookEndpoint:
        """Make an endpoint; no `events` means all. Its secret is told this once: WebhookSecretLost when the answer got
        lost and the platform recognised the repeat. WebhookTargetRefused, WebhookLimit.
        """
        request = pb.CreateWebhookEndpointRequest(
            url=url, events=events, description=description, request_id=request_id or str(uuid4())
        )
        return _with_secret(
            await self._transport.call(self._transport.factory.CreateWebhookEndpoint, request, timeout=timeout)
        )

    async def get(self, endpoint_id: str, *, timeout: float | None = None) -> WebhookEndpoint:
        """Return an endpoint. WebhookNotFound."""
        request = pb.GetWebhookEndpointRequest(endpoint_id=endpoint_id)
        return _convert.webhook_endpoint(
            await self._transport.call(self._transport.factory.GetWebhookEndpoint, request, timeout=timeout)
        )

    def list(self, *, page_size: int = 0) -> AsyncItems[WebhookEndpoint]:
        """List endpoints, newest first; pages are fetched as they are needed."""

        async def pages() -> AsyncGenerator[Sequence[WebhookEndpoint]]:
            request = pb.ListWebhookEndpointsRequest(page_size=page_size)
            while True:
                page = await self._transport.call(self._transport.factory.ListWebhookEndpoints, request)
                yield [_convert.webhook_endpoint(each) for each in page.endpoints]
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token

        return AsyncItems(pages)

    async def update(
        self,
        endpoint_id: str,
        *,
        url: str | None = None,
        events: Iterable[str] | None = None,
        description: str | None = None,
        disabled: bool | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> WebhookEndpoint:
        """Change what is given. Disabling ends what waits; `redeliver` sends it later. WebhookNotFound."""
        change: dict[str, Any] = {"url": url, "events": events, "description": description, "disabled": disabled}
        given = {name: value for name, value in change.items() if value is not None}
        request = pb.UpdateWebhookEndpointRequest(
            endpoint_id=endpoint_id,
            endpoint=pb.WebhookEndpointChange(**given),
            update_mask=FieldMask(paths=given),
            request_id=request_id or str(uuid4()),
        )
        return _convert.webhook_endpoint(
            await self._transport.call(self._transport.factory.UpdateWebhookEndpoint, request, timeout=timeout)
        )

    async def delete(self, endpoint_id: str, *, request_id: str | None = None, timeout: float | None = None) -> None:
        """Delete an endpoint. Twice is no error. WebhookNotFound."""
        request = pb.DeleteWebhookEndpointRequest(endpoint_id=endpoint_id, request_id=request_id or str(uuid4()))
        await self._transport.call(self._transport.factory.DeleteWebhookEndpoint, request, timeout=timeout)

    async def rotate_secret(
        self,
        endpoint_id: str,
        *,
        overlap_seconds: int = 0,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> NewWebhookEndpoint:
        """Make a new secret; for `overlap_seconds`, up to 7 days, the old one signs beside it. WebhookSecretLost."""
        request = pb.RotateWebhookSecretRequest(
            endpoint_id=endpoint_id, overlap_seconds=overlap_seconds, request_id=request_id or str(uuid4())
        )
        return _with_secret(
            await self._transport.call(self._transport.factory.RotateWebhookSecret, request, timeout=timeout)
        )

    async def test(
        self, endpoint_id: str, *, request_id: str | None = None, timeout: float | None = None
    ) -> WebhookDelivery:
        """Have a `webhook.test` event sent; `delivery` tells how it went. WebhookDisabled."""
        request = pb.TestWebhookEndpointRequest(endpoint_id=endpoint_id, request_id=request_id or str(uuid4()))
        return _convert.webhook_delivery(
            await self._transport.call(self._transport.factory.TestWebhookEndpoint, request, timeout=timeout)
        )

    def deliveries(
        self, endpoint_id: str, *, state: WebhookDeliveryState | None = None, page_size: int = 0
    ) -> AsyncItems[WebhookDelivery]:
        """List what was and is sent to an endpoint, newest first, without logs and payloads. WebhookNotFound."""

        async def pages() -> AsyncGenerator[Sequence[WebhookDelivery]]:
            wanted = state or WebhookDeliveryState.UNKNOWN
            number = _convert.number_of(wanted, pb.WebhookDeliveryState.DESCRIPTOR)
            request = pb.ListWebhookDeliveriesRequest(endpoint_id=endpoint_id, page_size=page_size, state=number)
            while True:
                page = await self._transport.call(self._transport.factory.ListWebhookDeliveries, request)
                yield [_convert.webhook_delivery(each) for each in page.deliveries]
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token

        return AsyncItems(pages)

    async def delivery(self, endpoint_id: str, delivery_id: str, *, timeout: float | None = None) -> WebhookDelivery:
        """Return one delivery with its log and payload. WebhookNotFound."""
        request = pb.GetWebhookDeliveryRequest(endpoint_id=endpoint_id, delivery_id=delivery_id)
        return _convert.webhook_delivery(
            await self._transport.call(self._transport.factory.GetWebhookDelivery, request, timeout=timeout)
        )

    async def redeliver(
        self,
        endpoint_id: str,
        *,
        delivery_id: str | None = None,
        since: datetime | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> int:
        """Have one delivery sent again, or all that did not arrive of events `since` a time with a time zone; return
        how many. WebhookNotFound, WebhookDisabled.
        """
        if (delivery_id is None) == (since is None):
            raise ValueError("give a delivery_id or a time since, one of them")
        request = pb.RedeliverWebhooksRequest(endpoint_id=endpoint_id, request_id=request_id or str(uuid4()))
        if delivery_id is not None:
            request.delivery_id = delivery_id
        if since is not None:
            if since.tzinfo is None:
                raise ValueError("since needs a time zone, such as datetime.UTC")
            request.since.FromDatetime(since)
        answer = await self._transport.call(self._transport.factory.RedeliverWebhooks, request, timeout=timeout)
        return answer.count


def _with_secret(response: pb.WebhookEndpointSecret) -> NewWebhookEndpoint:
    endpoint = _convert.webhook_endpoint(response.endpoint)
    if not response.secret:
        raise WebhookSecretLost(endpoint)
    return NewWebhookEndpoint(endpoint=endpoint, secret=response.secret)
