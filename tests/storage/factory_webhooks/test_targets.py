"""Targets: names that lead elsewhere by the time of a delivery, and certificates that nobody vouches for.

Names are an outside party; here they answer as the test says. The connections are real.
"""

import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.common.errors import WebhookTargetRefused
from services.factory.model.webhooks import Answer
from services.factory.webhook_sender import WebhookSender
from services.factory.webhook_targets import RefusedAddress, Targets
from tests.webhook_receiver import receiving

OpenSender = Callable[..., Any]
PUBLIC = "93.184.215.14"


def names(*answers: list[str]) -> Callable[..., Any]:
    """A resolver that answers in turn, the last answer for ever."""
    left = list(answers)

    def look_up(_host: str, port: int, **_: Any) -> list[Any]:
        found = left.pop(0) if len(left) > 1 else left[0]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in found
        ]

    return look_up


@pytest.fixture
async def open_sender() -> AsyncIterator[OpenSender]:
    """Makes senders: `await open_sender(targets, ca_file=...)`."""
    async with AsyncExitStack() as stack:

        async def make(targets: Targets, *, ca_file: Path | None = None) -> WebhookSender:
            await stack.enter_async_context(aclosing(targets))
            return await stack.enter_async_context(WebhookSender(targets=targets, timeout_seconds=2, ca_file=ca_file))

        yield make


async def post(sender: WebhookSender, url: str) -> Answer:
    return await sender.send(url, headers={}, body=b"{}")


async def test_a_name_that_leads_inside_by_the_time_of_the_delivery_is_refused(open_sender: OpenSender) -> None:
    async with receiving() as receiver:
        url = receiver.url.replace("localhost", "hook.example").replace("http:", "https:")
        targets = Targets(private=False, threads=2, lookup=names([PUBLIC], ["127.0.0.1"]))
        await targets.check(url)
        answer = await post(await open_sender(targets), url)
        assert (answer.status, answer.error) == (0, "refused address")
        assert receiver.requests == []


@pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["::1"], ["::ffff:127.0.0.1"]])
async def test_one_address_inside_refuses_the_name(addresses: list[str]) -> None:
    async with aclosing(Targets(private=False, threads=2, lookup=names(addresses))) as targets:
        with pytest.raises(WebhookTargetRefused, match="not public"):
            await targets.check("https://hook.example/")


async def test_a_name_that_does_not_resolve_is_refused_and_later_a_failure(open_sender: OpenSender) -> None:
    targets = Targets(private=False, threads=2, lookup=names([]))
    with pytest.raises(WebhookTargetRefused, match="does not resolve"):
        await targets.check("https://hook.example/")
    answer = await post(await open_sender(targets), "https://hook.example/")
    assert (answer.status, answer.error) == (0, "the name does not resolve")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1"])  # noqa: S104
async def test_an_address_in_the_url_itself_is_looked_at_where_the_socket_is_made(
    open_sender: OpenSender, host: str
) -> None:
    async with receiving() as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        answer = await post(await open_sender(Targets(private=False, threads=2)), f"http://{host}:{port}/")
        assert (answer.status, answer.error in {"refused address", "the URL cannot be used"}) == (0, True)
        assert receiver.requests == []


def test_no_socket_is_made_for_a_refused_address() -> None:
    targets = Targets(private=False, threads=1)
    for address in ("127.0.0.1", "169.254.169.254", "10.0.0.1"):
        with pytest.raises(RefusedAddress):
            targets.open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)))
    targets.open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, 443))).close()


def certificate(folder: Path, *, name: str, days: int = 1) -> Path:
    """A self-signed certificate with its key in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.9"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}{days}.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@pytest.mark.parametrize(
    ("made", "trusted", "status"),
    [
        (("localhost", 1), True, 204),
        (("localhost", 1), False, 0),
        (("other.example", 1), True, 0),
        (("localhost", -1), True, 0),
    ],
)
async def test_a_certificate_must_be_vouched_for_in_time_and_of_the_name(
    open_sender: OpenSender, tmp_path: Path, made: tuple[str, int], trusted: bool, status: int
) -> None:
    file = certificate(tmp_path, name=made[0], days=made[1])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(file)
    async with receiving(tls=tls) as receiver:
        targets = Targets(private=True, threads=2)
        sender = await open_sender(targets, ca_file=file if trusted else None)
        answer = await post(sender, receiver.url)
    assert answer.status == status
    assert answer.error == ("" if status else "certificate or TLS: the connection is not secure")
    assert len(receiver.requests) == (1 if status else 0)
