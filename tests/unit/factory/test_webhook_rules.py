"""Where webhooks may go, when they are tried again, and what keeps their secrets."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest

from services.common.errors import InvalidArgument, WebhookTargetRefused
from services.factory.model.addresses import is_public
from services.factory.model.events import check_topic
from services.factory.model.webhooks import (
    Answer,
    SealedSecrets,
    body_of,
    check_events,
    delay_after,
    host_of,
)
from services.factory.webhook_secrets import WebhookSecrets

ENDPOINT = UUID(int=7)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "93.184.215.14", "100.63.255.255", "172.15.0.1", "172.32.0.1", "2606:4700:4700::1111"],
)
def test_public_addresses_are_taken(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - refused
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.255",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::10.0.0.1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700:4700::1111%eth0",
        "fec0::1",
        "ff02::1",
        "4000::1",
        "",
        "localhost",
        "0x7f000001",
    ],
)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://hook.example/a?b=c", ("hook.example", 443)),
        ("https://hook.example:8443", ("hook.example", 8443)),
        ("https://[2606:4700::1]:8443/a", ("2606:4700::1", 8443)),
    ],
)
def test_a_target_is_an_https_url(url: str, host: tuple[str, int]) -> None:
    assert host_of(url, plain_http=False) == host


@pytest.mark.parametrize(
    "url",
    [
        "http://hook.example/",
        "ftp://hook.example/",
        "//hook.example/",
        "hook.example",
        "https://",
        "https://:443/",
        "https://hook.example:0/",
        "https://hook.example:99999/",
        "https://hook.example:x/",
        "https://[::1/",
        "https://a@hook.example/",
        "https://:b@hook.example/",
        "https://hook.example/#a",
        "https://hook.example/a b",
        "https://hook.example/\r\nhost: other",
        "https://höök.example/",
        "",
    ],
)
def test_what_is_no_target_is_refused(url: str) -> None:
    with pytest.raises(WebhookTargetRefused):
        host_of(url, plain_http=False)


def test_plain_http_is_a_setting() -> None:
    assert host_of("http://127.0.0.1/", plain_http=True) == ("127.0.0.1", 80)


def test_eight_tries_within_a_day_and_never_all_at_once() -> None:
    for chance in (0.0, 0.5, 1.0):
        delays = [delay_after(tries, chance) for tries in range(1, 8)]
        assert None not in delays
        total = sum(filter(None, delays), timedelta())
        assert timedelta(hours=24) * 0.9 <= total <= timedelta(hours=24)
        assert sorted(filter(None, delays)) == delays
    assert delay_after(1, 0.0) == timedelta(seconds=10)
    assert delay_after(1, 1.0) == timedelta(seconds=9)
    assert delay_after(8, 0.0) is None


@pytest.mark.parametrize(("status", "delivered"), [(0, False), (199, False), (200, True), (299, True), (300, False)])
def test_any_2xx_is_a_delivery_and_nothing_else(status: int, delivered: bool) -> None:
    assert Answer(status=status, latency_ms=1, excerpt="", error="").delivered is delivered


def test_a_body_has_type_timestamp_and_data_and_keeps_its_letters() -> None:
    moment = datetime(2026, 3, 1, 17, 45, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    body = body_of("batch.failed", moment, {"error": "não há números"})
    assert body == '{"type":"batch.failed","timestamp":"2026-03-01T12:00:00.000000Z","data":{"error":"não há números"}}'
    assert json.loads(body)["data"] == {"error": "não há números"}


def test_a_filter_names_known_topics_once() -> None:
    assert check_events(["unit.reported", "batch.failed", "batch.failed"]) == ("batch.failed", "unit.reported")
    assert check_events([]) == ()
    with pytest.raises(InvalidArgument, match=r"batch\.eaten"):
        check_events(["batch.eaten"])


def test_an_event_that_no_endpoint_could_ask_for_is_a_mistake_of_ours() -> None:
    assert check_topic("batch.failed") == "batch.failed"
    with pytest.raises(ValueError, match=r"batch\.eaten"):
        check_topic("batch.eaten")


def test_the_previous_secret_signs_while_it_has_time() -> None:
    sealed = SealedSecrets(current=b"new", previous=b"old", previous_until=NOON)
    assert sealed.in_force(NOON - timedelta(seconds=1)) == [b"new", b"old"]
    assert sealed.in_force(NOON) == [b"new"]


def write(folder: Path, name: str, digit: str) -> None:
    (folder / name).write_text(digit * 64)


def test_a_secret_is_opened_for_its_endpoint_alone(tmp_path: Path) -> None:
    write(tmp_path, "1.key", "a")
    secrets = WebhookSecrets(tmp_path)
    secret, sealed = secrets.make(ENDPOINT)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    assert len(key) == 32
    assert key not in sealed
    assert secrets.open(ENDPOINT, sealed) == key
    assert secrets.make(ENDPOINT)[1] != sealed
    for wrong in (UUID(int=8), sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), b"", b"\x02" + sealed[1:]):
        with pytest.raises(ValueError, match="the webhook secret was"):
            secrets.open(*((wrong, sealed) if isinstance(wrong, UUID) else (ENDPOINT, wrong)))


def test_keys_rotate_by_adding_a_file(tmp_path: Path) -> None:
    write(tmp_path, "9.key", "a")
    _, old = WebhookSecrets(tmp_path).make(ENDPOINT)
    write(tmp_path, "10.key", "b")
    both = WebhookSecrets(tmp_path)
    _, new = both.make(ENDPOINT)
    assert (old[0], new[0]) == (9, 10)
    assert len({both.open(ENDPOINT, each) for each in (old, new)}) == 2


@pytest.mark.parametrize(
    ("name", "text"), [("0.key", "a" * 64), ("256.key", "a" * 64), ("x.key", "a" * 64), ("1.key", "ab")]
)
def test_a_wrong_key_file_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=name):
        WebhookSecrets(tmp_path)


def test_a_folder_without_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        WebhookSecrets(tmp_path)
