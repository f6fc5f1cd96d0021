"""Signed statements: JWS (RFC 7515, compact) with Ed25519 (RFC 8037); the keys as a JWK set (RFC 7517).

A folder holds `<kid>.pem` files. The private key whose name sorts last signs; every key, private or only its public
half, is published, so that statements of retired keys can be checked as long as the file stays.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.utils import base64url_encode

ISSUER = "voketag"


class StatementKeys:
    """The keys that sign one kind of statement."""

    def __init__(self, folder: Path) -> None:
        """Read the keys; ValueError when a file is no Ed25519 key, or none of them can sign."""
        signer: tuple[str, Ed25519PrivateKey] | None = None
        published = []
        for file in sorted(folder.glob("*.pem")):
            private, public = _read(file)
            published.append(_jwk(file.stem, public))
            if private is not None:
                signer = (file.stem, private)
        if signer is None:
            raise ValueError(f"{folder} must hold at least one <kid>.pem with an Ed25519 private key")
        self._kid, self._key = signer
        self.jwks = json.dumps({"keys": published}, separators=(",", ":"))
        """The JWK set, as text."""

    def sign(self, claims: Mapping[str, object], *, kind: str, now: datetime) -> str:
        """Return a statement whose header says `kind` as its `typ`; `iss` and `iat` (whole seconds) are added."""
        said = {"iss": ISSUER, **claims, "iat": int(now.timestamp())}
        return jwt.encode(said, self._key, algorithm="EdDSA", headers={"kid": self._kid, "typ": kind})


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
