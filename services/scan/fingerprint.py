"""Keyed hashes of devices and addresses: enough to tell "the same again" within a day, and nothing after it.

The key of a day is derived from a secret and the date, so yesterday's hashes cannot be compared with today's; without
the secret no hash can be tried against a list of addresses.
"""

import hmac
from datetime import date
from hashlib import blake2b
from pathlib import Path

from services.common.addresses import network_of
from services.scan.model import Device

HASH_BYTES = 16
_SECRET_BYTES = 32


class Fingerprints:
    """Makes the hashes of one installation."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < _SECRET_BYTES:
            raise ValueError(f"the fingerprint key has {len(secret)} bytes; it needs {_SECRET_BYTES}")
        self._secret = secret
        self._day: date | None = None
        self._day_key = b""

    @classmethod
    def load(cls, file: Path) -> "Fingerprints":
        """Read the secret from a file of 64 hex digits."""
        try:
            return cls(bytes.fromhex(file.read_text(encoding="ascii").strip()))
        except ValueError as error:
            raise ValueError(f"{file} must hold 64 hex digits, for example from `openssl rand -hex 32`") from error

    def device(self, device: Device, today: date) -> bytes:
        """Return the hash of all that a device tells about itself, its network included."""
        parts = (
            network_of(device.address),
            device.user_agent,
            device.languages,
            device.encodings,
            device.screen,
            device.time_zone,
        )
        # Lengths first: no two devices are the same text.
        text = "device" + "".join(f"\0{len(part)}:{part}" for part in parts)
        return self._hash(text, today)

    def address(self, address: str, today: date) -> bytes:
        """Return the hash of an address's network."""
        return self._hash(f"address\0{network_of(address)}", today)

    def _hash(self, text: str, today: date) -> bytes:
        if today != self._day:
            self._day_key = hmac.digest(self._secret, b"voketag/fingerprint/" + today.isoformat().encode(), "sha256")
            self._day = today
        # BLAKE2 has a key and a length of its own (RFC 7693), at a third of HMAC's time.
        return blake2b(text.encode("utf-8", "surrogatepass"), key=self._day_key, digest_size=HASH_BYTES).digest()
