"""Verdicts as signed statements: JWS (RFC 7515, compact) with Ed25519 (RFC 8037); the keys as a JWK set (RFC 7517).

A folder holds `<kid>.pem` files. The private key whose name sorts last signs; every key, private or only its public
half, is published, so that statements of retired keys can be checked as long as the file stays.
"""

import json
from datetime import datetime
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.utils import base64url_encode

from services.scan.model import Scan

TYPE = "voketag-verdict+jwt"
"""The `typ` of a statement's header."""


class VerdictKeys:
    """The keys that sign verdicts."""

    def __init__(self, folder: Path) -> None:
        """Read the keys; ValueError when a file is no Ed25519 key, or none of them can sign."""
        self._signer: tuple[str, Ed25519PrivateKey] | None = None
        published = []
        for file in sorted(folder.glob("*.pem")):
            private, public = _read(file)
            published.append(_jwk(file.stem, public))
            if private is not None:
                self._signer = (file.stem, private)
        if self._signer is None:
            raise ValueError(f"{folder} must hold at least one <kid>.pem with an Ed25519 private key")
        self.jwks = json.dumps({"keys": published}, separators=(",", ":"))
        """The JWK set, as text."""

    def sign(self, scan: Scan, code: str, now: datetime) -> str:
        """Return the verdict on a code as a signed statement."""
        assert self._signer is not None  # noqa: S101 - the constructor saw to it
        kid, key = self._signer
        claims = statement_of(scan, code) | {"iat": int(now.timestamp())}
        return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid, "typ": TYPE})


def statement_of(scan: Scan, code: str) -> dict[str, object]:
    """Return what a statement says of a scan. `code_genuine` is about the code; `verdict` weighs the item behind it."""
    event, facts = scan.event, scan.facts
    return {
        "iss": "voketag",
        "jti": str(event.verification_id),
        "code": code,
        "code_genuine": True,
        "valid": event.verdict.valid,
        "verdict": event.verdict.name,
        "risk_score": event.risk_score,
        "risk_factors": [factor.name for factor in event.risk_factors],
        "scanned_at": event.scanned_at.isoformat(),
        "degraded": event.degraded,
        "sandbox": facts.batch.sandbox,
        "product": {"id": str(facts.product.product_id), "name": facts.product.name, "gtin": facts.product.gtin},
        "batch": {"id": str(facts.batch.batch_id), "lot": facts.batch.lot},
        "serial": facts.serial,
    }


def _read(file: Path) -> tuple[Ed25519PrivateKey | None, Ed25519PublicKey]:
    data = file.read_bytes()
    if b"PRIVATE KEY" in data:
        private = serialization.load_pem_private_key(data, password=None)
        if isinstance(private, Ed25519PrivateKey):
            return private, private.public_key()
    else:
        public = serialization.load_pem_public_key(data)
        if isinstance(public, Ed25519PublicKey):
            return None, public
    raise ValueError(f"{file} must hold an Ed25519 key in PEM")


def _jwk(kid: str, key: Ed25519PublicKey) -> dict[str, str]:
    x = base64url_encode(key.public_bytes_raw()).decode()
    return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": x}
