"""Webhooks as they come to your endpoint: is this one the platform's, and what does it say?

    event = voketag_sdk.webhooks.verify(body, headers, secret)   # the body as it came, byte for byte
    if event.type == "batch.completed":
        print(event.data["batch_id"])

The standard library suffices: your endpoint needs no gRPC. Answer 2xx within ten seconds, do slow work afterwards, and
keep `event.id`: an event may come more than once, always with the same id, and events may overtake each other.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from voketag_kernel.webhooks import is_signed, parse_secret
from voketag_sdk.errors import MalformedWebhook, StaleWebhook, WrongWebhookSignature

TOLERANCE = timedelta(minutes=5)
"""How far the clocks of both sides may differ, the way included, as Standard Webhooks recommends."""

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """Something that happened. `docs/webhooks.md` says what `data` holds for each `type`."""

    id: str
    type: str
    timestamp: datetime
    data: Mapping[str, Any]


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance: timedelta = TOLERANCE,
    now: datetime | None = None,
) -> WebhookEvent:
    """Return the event of a request that one of your secrets signed, and no longer ago than `tolerance`.

    `body` is what came, unparsed: re-encoded JSON has another signature. `headers` are the request's, in any case.
    `secret` is `whsec_...`, or several of them while you rotate. `now` must have a time zone.

    Raises WrongWebhookSignature, StaleWebhook, MalformedWebhook, all WebhookRejected; ValueError for a secret that is
    none. Nothing of the body is read before the signature holds, and comparing takes a time that tells nothing.
    """
    keys = [parse_secret(each) for each in ([secret] if isinstance(secret, str) else secret)]
    if not keys:
        raise ValueError("give at least one secret")
    raw = body.encode() if isinstance(body, str) else bytes(body)
    webhook_id, timestamp, signatures = _required(headers)
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:
        raise MalformedWebhook("webhook-timestamp is no number of seconds")
    if not is_signed(signatures, keys, webhook_id=webhook_id, timestamp=timestamp, body=raw):
        raise WrongWebhookSignature("no signature was made with one of your secrets; is this the body as it came?")
    apart = abs((now or datetime.now(UTC)).timestamp() - int(timestamp))
    if apart > tolerance.total_seconds():
        raise StaleWebhook(f"sent {apart:.0f} seconds from now, by your clock")
    return _event(webhook_id, raw)


def _required(headers: Mapping[str, str]) -> tuple[str, str, str]:
    found = {name.lower(): value for name, value in headers.items()}
    values = [found.get(name, "") for name in _HEADERS]
    if missing := [name for name, value in zip(_HEADERS, values, strict=True) if not value]:
        raise MalformedWebhook(f"missing: {', '.join(missing)}")
    return values[0], values[1], values[2]


def _event(webhook_id: str, raw: bytes) -> WebhookEvent:
    try:
        body = json.loads(raw)
        timestamp = datetime.fromisoformat(body["timestamp"])
        event = WebhookEvent(id=webhook_id, type=str(body["type"]), timestamp=timestamp, data=dict(body["data"]))
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedWebhook("the body is no event: JSON with `type`, `timestamp` and `data`") from error
    if timestamp.tzinfo is None:
        raise MalformedWebhook("the event's timestamp has no time zone")
    return event
