"""API keys as callers send them: `vkt_<key id>_<secret>`. The key id is public and finds the row; only a hash of the
secret is kept anywhere.

Factory makes and keeps the keys; Scan recognises them for their holders' limits. Both read this one form.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

PREFIX = "vkt_"
KEY_ID = r"[a-z0-9]{16}"
_FORM = re.compile(rf"{PREFIX}({KEY_ID})_([A-Za-z0-9_-]{{43}})")  # 43 characters of base64url are 32 bytes


@dataclass(frozen=True, slots=True)
class Credential:
    """The two parts of a credential."""

    key_id: str
    secret: str

    def __str__(self) -> str:
        return f"{PREFIX}{self.key_id}_{self.secret}"


def parse_credential(text: str) -> Credential | None:
    """Split a credential, None when it has not the form of one."""
    parts = _FORM.fullmatch(text)
    return Credential(*parts.groups()) if parts else None


def hash_secret(secret: str) -> bytes:
    """Return what is stored of a secret: SHA-256. 256 random bits leave nothing to guess, so nothing to slow down."""
    return sha256(secret.encode()).digest()


def credential_in(metadata: Mapping[str, str]) -> str:
    """Return the credential that a call brings, a key or a token; empty when it brings none."""
    scheme, _, credential = metadata.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credential:
        return credential.strip()
    return metadata.get("x-api-key", "")
