"""The edge with TLS: browsers are told to come back by TLS alone, and nothing is answered in the clear."""

import ssl
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.envoy.settings import ROOMS, EnvoySettings
from deploy.local.envoy import envoy
from deploy.local.ports import free_port


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


def test_with_tls_browsers_are_told_to_keep_to_it(tmp_path: Path) -> None:
    certificate, key = certify(tmp_path)
    port = free_port()
    front = envoy(
        EnvoySettings(
            endpoints={room: [f"127.0.0.1:{free_port()}"] for room in ROOMS},
            access_log=tmp_path / "access.log",
            listen_port=port,
            admin_port=free_port(),
            tls_certificate=certificate,
            tls_key=key,
        ),
        folder=tmp_path / "envoy",
        log_file=tmp_path / "envoy.log",
    )
    front.launch()
    try:
        front.wait_ready()
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
    finally:
        front.stop()


def _status(connection: HTTPConnection) -> int:
    connection.request("GET", "/v1/products")
    return connection.getresponse().status
