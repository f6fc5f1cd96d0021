"""The edge by itself: TLS and what browsers are told of it, clients that dribble, floods of headers."""

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.envoy.settings import ROOMS, EnvoySettings
from deploy.local.envoy import envoy
from deploy.local.free_ports import take_port


def certify(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine, and return it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "edge.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "edge.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "edge.pem", folder / "edge.key"


@contextmanager
def edge(folder: Path, **settings: Any) -> Iterator[int]:
    """Start Envoy with nothing behind it, and return its port."""
    port = take_port()
    front = envoy(
        EnvoySettings(
            endpoints={room: [f"127.0.0.1:{take_port()}"] for room in ROOMS},
            access_log=folder / "access.log",
            listen_port=port,
            admin_port=take_port(),
            **settings,
        ),
        folder=folder / "envoy",
        log_file=folder / "envoy.log",
    )
    front.launch()
    try:
        front.wait_ready()
        yield port
    finally:
        front.stop()


def test_with_tls_browsers_are_told_to_keep_to_it(tmp_path: Path) -> None:
    certificate, key = certify(tmp_path)
    with edge(tmp_path, tls_certificate=certificate, tls_key=key) as port:
        trusting = ssl.create_default_context(cafile=certificate)
        connection = HTTPSConnection("127.0.0.1", port, context=trusting, timeout=10)
        connection.request("GET", "/v1/products")  # no service is there, and the edge answers for itself
        answer = connection.getresponse()
        assert answer.status == 503
        assert answer.headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"
        connection.close()
        plain = HTTPConnection("127.0.0.1", port, timeout=10)
        with pytest.raises((HTTPException, OSError)):
            _status(plain)
        plain.close()


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET /v1/health HTTP/1.1\r\nhost: a\r\nx-slow: ",
        b"POST /v1/scan HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{",
    ],
    ids=["headers", "body"],
)
def test_a_client_that_dribbles_is_cut_off(tmp_path: Path, beginning: bytes) -> None:
    with (
        edge(tmp_path, headers_seconds=1, request_seconds=1.5) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as client,
    ):
        client.sendall(beginning)
        started = time.monotonic()
        client.settimeout(0.2)
        answer = b""
        while not answer and time.monotonic() - started < 8:
            try:
                client.sendall(b"x")
                answer = client.recv(4096) or b"closed"
            except TimeoutError:
                continue
            except OSError:
                answer = b"closed"
        assert 0.9 < time.monotonic() - started < 6
        assert answer == b"closed" or answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 504")), answer


@pytest.mark.parametrize(
    "headers", [{f"x-{n}": "1" for n in range(120)}, {"x-long": "x" * 40_000}], ids=["many", "long"]
)
def test_a_flood_of_headers_is_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    with edge(tmp_path) as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/v1/health", headers=headers)
        assert connection.getresponse().status == 431
        connection.close()


def _status(connection: HTTPConnection) -> int:
    connection.request("GET", "/v1/products")
    return connection.getresponse().status
