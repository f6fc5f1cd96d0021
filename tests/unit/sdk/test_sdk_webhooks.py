"""What a partner's endpoint believes."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from voketag_sdk import errors, webhooks
from voketag_sdk.webhooks import WebhookEvent

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # the bytes 0 to 31
BODY = b'{"type":"batch.completed","timestamp":"2026-03-01T12:00:00.250000Z","data":{"batch_id":"7","quantity":3}}'
HEADERS = {
    "Webhook-Id": "evt-1",
    "Webhook-Timestamp": "1772366400",  # 2026-03-01T12:00:00Z
    # printf 'evt-1.1772366400.%s' "$BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102... -binary | base64
    "Webhook-Signature": "v1,65m64blMiELMRKLD//muI4zfGtUDpg9U2+cA7eU08R8=",
}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def verify(body: bytes | str = BODY, headers: dict[str, str] = HEADERS, secret: object = SECRET, **more: object):
    return webhooks.verify(body, headers, secret, **{"now": NOON, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [BODY, BODY.decode(), bytearray(BODY)])
def test_a_signed_body_becomes_an_event(body: bytes | str) -> None:
    assert verify(body) == WebhookEvent(
        id="evt-1",
        type="batch.completed",
        timestamp=datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC),
        data={"batch_id": "7", "quantity": 3},
    )


def test_one_of_several_secrets_suffices() -> None:
    other = "whsec_" + "A" * 43 + "="
    assert verify(secret=[other, SECRET]).id == "evt-1"
    with pytest.raises(errors.WrongWebhookSignature):
        verify(secret=other)


@pytest.mark.parametrize(
    ("name", "value"),
    [("Webhook-Id", "evt-2"), ("Webhook-Timestamp", "1772366401"), ("Webhook-Signature", "v1,AAAA")],
)
def test_every_header_is_signed(name: str, value: str) -> None:
    with pytest.raises(errors.WrongWebhookSignature):
        verify(headers=HEADERS | {name: value})


def test_a_changed_body_is_rejected() -> None:
    with pytest.raises(errors.WrongWebhookSignature):
        verify(BODY.replace(b'"quantity":3', b'"quantity":4'))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_what_was_sent_long_ago_or_in_the_future_is_stale(seconds: int) -> None:
    with pytest.raises(errors.StaleWebhook):
        verify(now=NOON + timedelta(seconds=seconds))
    assert verify(now=NOON + timedelta(seconds=seconds), tolerance=timedelta(seconds=301))


@pytest.mark.parametrize("name", list(HEADERS))
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(errors.MalformedWebhook, match=name.lower()):
        verify(headers={key: value for key, value in HEADERS.items() if key != name})


@pytest.mark.parametrize("timestamp", ["noon", "-1", "1e9", "1772366400.0", " 1772366400", "٣", "9" * 30])
def test_a_timestamp_is_a_number_of_seconds(timestamp: str) -> None:
    with pytest.raises(errors.MalformedWebhook):
        verify(headers=HEADERS | {"Webhook-Timestamp": timestamp})


def test_all_rejections_are_one_kind() -> None:
    for kind in (errors.MalformedWebhook, errors.WrongWebhookSignature, errors.StaleWebhook):
        assert issubclass(kind, errors.WebhookRejected)


@pytest.mark.parametrize("secret", ["", "hush", []])
def test_a_secret_that_is_none_is_the_caller_s_mistake(secret: object) -> None:
    with pytest.raises(ValueError, match="secret"):
        verify(secret=secret)


def test_an_endpoint_needs_neither_grpc_nor_protobuf() -> None:
    program = """
import sys
sys.modules.update({"grpc": None, "google": None, "google.protobuf": None})  # any import of them fails
import voketag_sdk
try:
    voketag_sdk.webhooks.verify(b"", {}, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
except voketag_sdk.errors.MalformedWebhook as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("missing: webhook-id")
