"""The key that signs the ledger's checkpoints: Ed25519, PKCS#8 PEM, named by the log's origin."""

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from voketag_kernel.notes import VerifierKey, sign_note
from voketag_kernel.tlog import Checkpoint


class LedgerKey:
    """Signs for one log."""

    def __init__(self, key: Ed25519PrivateKey, *, origin: str) -> None:
        """`origin` names the log for ever, such as `verify.example.com/ledger`; it is the key's name, too."""
        self._key = key
        self.origin = origin
        self.verifier = VerifierKey(name=origin, public_key=key.public_key().public_bytes_raw())

    @classmethod
    def load(cls, file: Path, *, origin: str) -> "LedgerKey":
        """Read the private key."""
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{file} must hold an Ed25519 private key in PKCS#8 PEM")
        return cls(key, origin=origin)

    def sign(self, checkpoint: Checkpoint) -> str:
        """Return the checkpoint as a signed note."""
        return sign_note(str(checkpoint), key=self.verifier, sign=self._key.sign)


def holds(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether an Ed25519 signature holds (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
