"""The stack's secrets: made at the first start, kept in files that only the owner reads."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.anvil import DEVELOPMENT_KEY
from voketag_kernel.notes import VerifierKey

SIGNING_KEY_ID = 1
LEDGER_ORIGIN = "localhost/ledger"
_TOKEN_KEYS = ("user-1", "service-factory-1", "service-anchor-1", "service-scan-1", "service-admin-1")


@dataclass(frozen=True, slots=True)
class Keys:
    """Where each secret is."""

    folder: Path

    @property
    def unit_keys(self) -> Path:
        """Folder of the keys that unit codes are derived from."""
        return self.folder / "unit-keys"

    @property
    def webhook_keys(self) -> Path:
        """Folder of the keys that webhook secrets are encrypted with."""
        return self.folder / "webhook-keys"

    @property
    def public_keys(self) -> Path:
        """Folder of the public halves of the token keys."""
        return self.folder / "tokens" / "public"

    def token_key(self, kid: str) -> Path:
        """File of a private token key."""
        return self.folder / "tokens" / f"{kid}.pem"

    @property
    def chain_key(self) -> Path:
        """File of the key that signs transactions: anvil's published one."""
        return self.folder / "chain.key"

    @property
    def fingerprint_key(self) -> Path:
        """File of the secret behind the hashes of devices."""
        return self.folder / "fingerprint.key"

    @property
    def verdict_keys(self) -> Path:
        """Folder of the keys that sign verdicts."""
        return self.folder / "verdict-keys"

    @property
    def statement_keys(self) -> Path:
        """Folder of the keys that sign statements about batches."""
        return self.folder / "statement-keys"

    @property
    def ledger_key(self) -> Path:
        """File of the key that signs the ledger's checkpoints."""
        return self.folder / "ledger.pem"

    def ledger_verifier(self) -> str:
        """Return what an auditor needs to check the ledger: the key's public half, as a vkey."""
        key = serialization.load_pem_private_key(self.ledger_key.read_bytes(), password=None)
        return str(VerifierKey(LEDGER_ORIGIN, key.public_key().public_bytes_raw()))  # type: ignore[union-attr]

    @property
    def admin_password(self) -> Path:
        """File of the first operator's password."""
        return self.folder / "admin-password"


def ensure(folder: Path) -> Keys:
    """Make what is missing, keep what is there."""
    keys = Keys(folder)
    for each in (
        folder,
        keys.unit_keys,
        folder / "tokens",
        keys.public_keys,
        keys.verdict_keys,
        keys.webhook_keys,
        keys.statement_keys,
    ):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make(keys.unit_keys / f"{SIGNING_KEY_ID}.key", secrets.token_hex(32))
    _make(keys.webhook_keys / "1.key", secrets.token_hex(32))
    _make(keys.fingerprint_key, secrets.token_hex(32))
    _make(keys.chain_key, DEVELOPMENT_KEY)
    _make(keys.admin_password, secrets.token_urlsafe(18))
    _make(keys.ledger_key, _new_private_key())
    _make(keys.verdict_keys / "verdict-1.pem", _new_private_key())
    _make(keys.statement_keys / "statement-1.pem", _new_private_key())
    for kid in _TOKEN_KEYS:
        _ensure_token_key(keys, kid)
    return keys


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner reads; a crash leaves the old one or the new one, never half of it."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    unfinished.replace(file)


def _make(file: Path, text: str) -> None:
    if not file.exists():
        write_private(file, text)


def _new_private_key() -> str:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem.decode()


def _ensure_token_key(keys: Keys, kid: str) -> None:
    private, public = keys.token_key(kid), keys.public_keys / f"{kid}.pem"
    if not private.exists():
        write_private(private, _new_private_key())
        public.unlink(missing_ok=True)
    if not public.exists():
        key = serialization.load_pem_private_key(private.read_bytes(), password=None)
        pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        write_private(public, pem.decode())
