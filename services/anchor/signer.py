"""Who signs the anchor transactions. The rest of the service sees an address and `sign`, never a key."""

import stat
from pathlib import Path
from typing import Any, Protocol

from eth_account import Account
from eth_account.signers.local import LocalAccount

TransactionFields = dict[str, Any]
"""Fields of one unsigned transaction by their JSON-RPC names, numbers as int, `data` as bytes."""


class Signer(Protocol):
    """Signs for one address. Asynchronous, because a key may live in another process."""

    @property
    def address(self) -> str:
        """The checksummed address that pays and that the contract must know as a writer."""
        ...

    async def sign(self, fields: TransactionFields) -> bytes:
        """The raw signed transaction; the same fields always give the same bytes (RFC 6979)."""
        ...


class FileSigner:
    """Signs with a private key that stands as 64 hex digits in a file."""

    def __init__(self, path: Path, *, allow_shared_file: bool = False) -> None:
        """Read the key. ValueError says what to repair; it never shows the key.

        `allow_shared_file` permits a file that others may read, for a local chain's published development keys.
        """
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO) and not allow_shared_file:
            raise ValueError(f"others may read the key file {path}: run `chmod 600 {path}`")
        text = path.read_text("ascii", errors="replace").strip().removeprefix("0x")
        try:
            self._account: LocalAccount = Account.from_key(bytes.fromhex(text))
        except Exception:  # eth_keys raises several kinds, and their texts may quote the key
            raise ValueError(
                f"{path} holds no private key: expected 64 hex digits, not 0 nor above the curve's order"
            ) from None

    @property
    def address(self) -> str:
        """The checksummed address of the key."""
        return str(self._account.address)

    async def sign(self, fields: TransactionFields) -> bytes:
        """Sign locally."""
        return bytes(self._account.sign_transaction(fields).raw_transaction)
