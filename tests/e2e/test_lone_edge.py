"""The edge by itself: what browsers are told of TLS and of other sites' pages, slow clients, floods of headers."""

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


def test_pages_of_listed_origins_may_read_answers_and_others_may_not(tmp_path: Path) -> None:
    shop = "https://shop.example"
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-timezone"}
    with edge(tmp_path, allowed_origins=[shop]) as port:
        for path in ("/v1/scan", "/v1/products", "/voketag.scan.v1.ScanService/Scan"):
            allowed = _headers(port, "OPTIONS", path, origin=shop, **ask)
            assert allowed[":status"] == "200"
            assert allowed["access-control-allow-origin"] == shop
            assert "POST" in allowed["access-control-allow-methods"]
            assert {"content-type", "x-timezone"} <= set(allowed["access-control-allow-headers"].split(", "))
            read = _headers(port, "GET", f"{path}?a=1", origin=shop)
            assert (read["access-control-allow-origin"], read["vary"]) == (shop, "origin")
            assert "retry-after" in read["access-control-expose-headers"]
            for other in ("https://shop.example.evil.example", "http://shop.example", "null", "https://SHOP.example."):
                for answer in (_headers(port, "OPTIONS", path, origin=other, **ask), _headers(port, "GET", path)):
                    assert not [name for name in answer if name.startswith("access-control")]
            assert "access-control-allow-credentials" not in allowed | read
        assert _headers(port, "GET", "/nothing")[":status"] == "404"


@pytest.mark.parametrize("origin", ["*", "shop.example", "https://shop.example/", "https://*.example", ""])
def test_what_is_no_origin_is_not_taken_for_one(tmp_path: Path, origin: str) -> None:
    with pytest.raises(ValueError, match="must be an origin"), edge(tmp_path, allowed_origins=[origin]):
        pass


def _headers(port: int, method: str, path: str, **headers: str) -> dict[str, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    connection.close()
    return {":status": str(answer.status)} | {name.lower(): value for name, value in answer.getheaders()}


def _status(connection: HTTPConnection) -> int:
    connection.request("GET", "/v1/products")
    return connection.getresponse().status
