"""Webhook endpoints and deliveries in protobuf."""

from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from services.common.errors import InvalidArgument
from services.common.paging import encode_token
from services.factory.convert.fields import moment, text, timestamp
from services.factory.model.page import Page
from services.factory.model.webhooks import Attempt, Delivery, DeliveryState, Endpoint, NewSecret
from voketag.factory.v1 import webhooks_pb2 as pb

_READ: Mapping[str, Callable[[pb.WebhookEndpointChange], object]] = {
    "url": lambda m: m.url,
    "events": lambda m: tuple(m.events),
    "description": lambda m: text("description", m.description),
    "disabled": lambda m: m.disabled,
}
"""How each field that can change is read."""


def change(request: pb.UpdateWebhookEndpointRequest) -> Mapping[str, object]:
    """Return the new values by name: those of the mask, or all that are set."""
    paths = list(request.update_mask.paths) or [field.name for field, _ in request.endpoint.ListFields()]
    if unknown := set(paths) - _READ.keys():
        raise InvalidArgument.of("update_mask", f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(_READ)}")
    return {path: _READ[path](request.endpoint) for path in paths}


def endpoint(found: Endpoint) -> pb.WebhookEndpoint:
    """Return an endpoint."""
    return pb.WebhookEndpoint(
        endpoint_id=str(found.endpoint_id),
        url=found.url,
        events=found.events,
        description=found.description,
        disabled=found.disabled,
        disabled_reason=found.disabled_reason,
        created_at=timestamp(found.created_at),
        updated_at=timestamp(found.updated_at),
        previous_secret_until=timestamp(found.previous_secret_until),
    )


def new_secret(new: NewSecret) -> pb.WebhookEndpointSecret:
    """Return an endpoint with its new secret."""
    return pb.WebhookEndpointSecret(endpoint=endpoint(new.endpoint), secret=new.secret)


def without_secret(response: pb.WebhookEndpointSecret) -> pb.WebhookEndpointSecret:
    """Return the answer as it is kept for replays."""
    return pb.WebhookEndpointSecret(endpoint=response.endpoint)


def endpoint_page(page: Page[Endpoint]) -> pb.ListWebhookEndpointsResponse:
    """Return a page of endpoints."""
    return pb.ListWebhookEndpointsResponse(
        endpoints=map(endpoint, page.items),
        next_page_token=encode_token(str(page.items[-1].endpoint_id)) if page.more else "",
    )


def state(request: pb.ListWebhookDeliveriesRequest) -> DeliveryState | None:
    """Return the state to list, None for all."""
    return DeliveryState(request.state) if request.state else None


def which(request: pb.RedeliverWebhooksRequest) -> UUID | datetime:
    """Return what to send again: one delivery, or all since a time."""
    if request.HasField("delivery_id"):
        return UUID(request.delivery_id)
    return moment("since", request.since)


def delivery(found: Delivery) -> pb.WebhookDelivery:
    """Return a delivery with its log and payload."""
    message = _line(found)
    message.payload = found.body
    message.log.extend(map(_attempt, found.log))
    return message


def delivery_page(page: Page[Delivery]) -> pb.ListWebhookDeliveriesResponse:
    """Return a page of deliveries, without logs and payloads."""
    return pb.ListWebhookDeliveriesResponse(
        deliveries=map(_line, page.items),
        next_page_token=encode_token(str(page.items[-1].delivery_id)) if page.more else "",
    )


def _line(found: Delivery) -> pb.WebhookDelivery:
    return pb.WebhookDelivery(
        delivery_id=str(found.delivery_id),
        endpoint_id=str(found.endpoint_id),
        event_id=str(found.event_id),
        event=found.topic,
        state=pb.WebhookDeliveryState.ValueType(found.state.value),
        attempts=found.attempts,
        next_attempt_at=timestamp(found.due_at),
        created_at=timestamp(found.created_at),
    )


def _attempt(tried: Attempt) -> pb.WebhookAttempt:
    return pb.WebhookAttempt(
        attempted_at=timestamp(tried.attempted_at),
        status=tried.status,
        latency_ms=tried.latency_ms,
        response_excerpt=tried.response_excerpt,
        error=tried.error,
        url=tried.url,
    )
