"""Webhook secrets at rest: AES-256-GCM under a key from a file, so that a copy of the database signs nothing.

Signing needs the secret itself, so a hash would not do. A sealed secret is `key id (1) || nonce (12) || ciphertext and
tag`; the endpoint's id is authenticated with it, so that one endpoint's secret cannot be put into another's row. The
key with the highest id seals, all of the folder open: to rotate, add a file, restart, and let partners rotate their
secrets. Alternatives considered: Fernet (AES-128-CBC and HMAC, no authenticated context), and deriving every secret
from one key (HKDF of the endpoint's id and a counter): nothing to store, but the one key could then never be replaced.
"""

import os
import secrets
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from voketag_kernel.webhooks import format_secret

_NONCE = 12
_KEY = 32


class WebhookSecrets:
    """Makes, seals and opens secrets with the keys of one folder."""

    def __init__(self, folder: Path) -> None:
        """Read every `<key id>.key` (1..255, 64 hex digits) of a folder; ValueError names the file that is wrong."""
        self._keys = dict(_read(file) for file in folder.glob("*.key"))
        if not self._keys:
            raise ValueError(f"{folder} must hold at least one <key id>.key file of 64 hex digits")
        self._newest = max(self._keys)

    def make(self, endpoint_id: UUID) -> tuple[str, bytes]:
        """Return a new secret, `whsec_...`, and its sealed key."""
        key = secrets.token_bytes(_KEY)
        nonce = os.urandom(_NONCE)
        sealed = self._keys[self._newest].encrypt(nonce, key, endpoint_id.bytes)
        return format_secret(key), bytes([self._newest]) + nonce + sealed

    def open(self, endpoint_id: UUID, sealed: bytes) -> bytes:
        """Return the HMAC key of an endpoint; ValueError when it was not sealed for it by a key of the folder."""
        key = self._keys.get(sealed[0]) if sealed else None
        if key is None:
            raise ValueError("the webhook secret was sealed with a key that is not in the folder")
        try:
            return key.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], endpoint_id.bytes)
        except InvalidTag as error:
            raise ValueError("the webhook secret was not sealed for this endpoint") from error


def _read(file: Path) -> tuple[int, AESGCM]:
    try:
        key_id, key = int(file.stem), bytes.fromhex(file.read_text(encoding="ascii").strip())
        if not 0 < key_id < 256 or len(key) != _KEY:
            raise ValueError
    except ValueError as error:
        raise ValueError(f"{file} must be named <key id>.key (1..255) and hold 64 hex digits") from error
    return key_id, AESGCM(key)
