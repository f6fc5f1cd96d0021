"""Who signs the anchor transactions. The rest of the service sees an address and `sign`, never a key."""

import stat
from pathlib import Path
from typing import Any, Protocol

from eth_account import Account
from eth_account.signers.local import LocalAccount

TransactionFields = dict[str, Any]
"""Fields of one unsigned transaction by their JSON-RPC names, numbers as int, `data` as bytes."""

DEVELOPMENT_ADDRESSES = frozenset(
    {
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
        "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
        "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
    }
)
"""What anvil, Hardhat and Ganache make of their published words, "test test ... junk": keys that everybody knows."""


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
    """Signs with a private key in a file: 64 hex digits, or an encrypted keystore (Web3 Secret Storage, version 3)."""

    def __init__(self, path: Path, *, password_file: Path | None = None, allow_shared_file: bool = False) -> None:
        """Read the key. ValueError says what to repair; it never shows the key, nor the password.

        `password_file` holds a keystore's password, a line end not counted. `allow_shared_file` permits files that
        others may read, for a local chain's published development keys. Decrypting takes about a second, by design.
        """
        for secret in filter(None, (path, password_file)):
            if secret.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) and not allow_shared_file:
                raise ValueError(f"others may read the key file {secret}: run `chmod 600 {secret}`")
        text = path.read_text("ascii", errors="replace").strip()
        key = _decrypted(path, text, password_file) if text.startswith("{") else text.removeprefix("0x")
        try:
            self._account: LocalAccount = Account.from_key(bytes.fromhex(key))
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


def _decrypted(path: Path, text: str, password_file: Path | None) -> str:
    if password_file is None:
        raise ValueError(f"{path} is an encrypted keystore: name the file that holds its password")
    password = password_file.read_text("utf-8").rstrip("\r\n")
    try:
        return bytes(Account.decrypt(text, password)).hex()
    except Exception:  # eth_keyfile raises several kinds: a wrong password, another version, no keystore at all
        raise ValueError(
            f"{path} cannot be decrypted: expected a version 3 keystore and its password in {password_file}"
        ) from None


def load_signer(path: Path, *, local: bool, password_file: Path | None = None) -> FileSigner:
    """Read the key of a process that writes. ValueError says what to repair.

    Only a local environment may use a key that everybody knows, or one in a file that others may read.
    """
    signer = FileSigner(path, password_file=password_file, allow_shared_file=local)
    if signer.address in DEVELOPMENT_ADDRESSES and not local:
        raise ValueError(
            f"{path} holds a published development key: anyone can spend from it. Make a key of your own "
            "(`cast wallet new`), or set VOKETAG_ENVIRONMENT=local"
        )
    return signer
