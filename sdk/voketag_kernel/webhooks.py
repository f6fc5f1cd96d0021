"""Signatures of webhooks as Standard Webhooks defines them: the symmetric scheme `v1`, HMAC-SHA256.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

    signed  = <webhook-id> "." <webhook-timestamp> "." <body>
    header  = "v1," base64(HMAC-SHA256(key, signed)), several of them parted by spaces while secrets rotate
    secret  = "whsec_" base64(key), a key of 24 to 64 bytes
"""

import base64
import binascii
import hmac
from collections.abc import Iterable
from hashlib import sha256

SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix
_VERSION = "v1,"
_MIN_KEY, _MAX_KEY = 24, 64


def parse_secret(secret: str) -> bytes:
    """Return the key of a secret; the prefix may be absent, as the specification has it. ValueError otherwise."""
    try:
        key = base64.b64decode(secret.strip().removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("a webhook secret is `whsec_` and base64") from error
    if not _MIN_KEY <= len(key) <= _MAX_KEY:
        raise ValueError(f"a webhook secret has a key of {_MIN_KEY} to {_MAX_KEY} bytes")
    return key


def format_secret(key: bytes) -> str:
    """Return the secret that a partner is shown for a key."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def sign(keys: Iterable[bytes], *, webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: one signature a key. `timestamp` is in Unix seconds."""
    return " ".join(_signature(key, webhook_id, str(timestamp), body) for key in keys)


def is_signed(header: str, keys: Iterable[bytes], *, webhook_id: str, timestamp: str, body: bytes) -> bool:
    """Say whether one signature of the header was made with one of the keys.

    Each comparison takes a time that tells nothing. Signatures of versions other than `v1` do not count.
    """
    given = [each.encode() for each in header.split(" ") if each.startswith(_VERSION)]
    found = False
    for key in keys:
        expected = _signature(key, webhook_id, timestamp, body).encode()
        for each in given:
            found |= hmac.compare_digest(each, expected)
    return found


def _signature(key: bytes, webhook_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return _VERSION + base64.b64encode(hmac.digest(key, signed, sha256)).decode()
