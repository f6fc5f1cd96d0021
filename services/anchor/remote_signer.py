"""A key in another process: a signer that speaks `eth_signTransaction` over JSON-RPC (Web3Signer, clef, a node's own).

It is asked to sign and never to send, and it is not believed: what it signed is compared with what it was asked to,
field by field, and its sender with the address in the settings, before anything is stored. *Alternative:* a cloud's own
API for keys (AWS KMS and others), which Web3Signer puts behind this one.
"""

from collections.abc import Sequence
from typing import Any

import rlp  # type: ignore[import-untyped]
from aiohttp import ClientError, ClientSession, ClientTimeout
from eth_account import Account
from eth_utils.address import to_canonical_address, to_checksum_address

from services.anchor.chain_errors import SignerRefused, SignerUnavailable
from services.anchor.signer import TransactionFields

_TYPE_2 = b"\x02"
_TIMEOUT_SECONDS = 10
_SIGNED_BY_V = 35  # EIP-155: v = 2 * chain id + 35 or 36


class RemoteSigner:
    """A `Signer` that asks another process."""

    def __init__(self, *, url: str, address: str, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Asks nothing yet. The URL may hold a secret and is never shown."""
        self._url = url
        self._address: str = to_checksum_address(address)
        self._timeout = ClientTimeout(total=timeout_seconds)

    @property
    def address(self) -> str:
        """The checksummed address whose key the other process holds."""
        return self._address

    async def sign(self, fields: TransactionFields) -> bytes:
        """The raw signed transaction. SignerUnavailable, SignerRefused."""
        raw = _raw_of(await self._ask([_as_json(fields) | {"from": self._address}]))
        _compare(raw, fields, self._address)
        return raw

    async def _ask(self, parameters: Sequence[object]) -> object:
        request = {"jsonrpc": "2.0", "id": 1, "method": "eth_signTransaction", "params": parameters}
        # A session per request: one signature a block at most, and no connection that could be stale.
        try:
            async with ClientSession(timeout=self._timeout) as session, session.post(self._url, json=request) as answer:
                if answer.status >= 500 or answer.status == 429:
                    raise SignerUnavailable(f"the signer answers HTTP {answer.status}; anchors wait for it")
                document = await answer.json(content_type=None)
        except (ClientError, TimeoutError, OSError) as error:
            raise SignerUnavailable(
                f"the signer does not answer ({type(error).__name__}); anchors wait for it"
            ) from None
        except ValueError:
            raise SignerUnavailable("the signer answers something else than JSON-RPC; check its URL") from None
        if not isinstance(document, dict):
            raise SignerUnavailable("the signer answers something else than JSON-RPC; check its URL")
        if refused := document.get("error"):
            raise SignerRefused(str(refused.get("message", "")) if isinstance(refused, dict) else str(refused))
        return document.get("result")


def _as_json(fields: TransactionFields) -> dict[str, str]:
    return {
        name: "0x" + value.hex() if isinstance(value, bytes) else hex(value) if isinstance(value, int) else str(value)
        for name, value in fields.items()
    }


def _raw_of(result: object) -> bytes:
    """Web3Signer and anvil answer the bytes, geth and clef an object that holds them as `raw`."""
    text = result.get("raw") if isinstance(result, dict) else result
    try:
        return bytes.fromhex(str(text).removeprefix("0x"))
    except ValueError:
        raise SignerRefused("the signer answered no signed transaction") from None


def _compare(raw: bytes, fields: TransactionFields, address: str) -> None:
    """SignerRefused unless `raw` is this transaction, signed by this address."""
    try:
        typed = raw[:1] == _TYPE_2
        items: list[Any] = rlp.decode(raw[1:] if typed else raw)
        if typed != (fields.get("type") == 2) or items[:-3] != _unsigned(fields):
            raise SignerRefused("the signer signed another transaction than it was asked to")
        if not typed and (int.from_bytes(items[-3]) - _SIGNED_BY_V) // 2 != fields["chainId"]:
            raise SignerRefused("the signer signed for another chain")
        sender = Account.recover_transaction(raw)
    except SignerRefused:
        raise
    except Exception:  # rlp and eth_keys raise kinds of their own for nonsense
        raise SignerRefused("the signer answered no signed transaction") from None
    if sender != address:
        raise SignerRefused(f"the signer signed for {sender}, not for {address}")


def _unsigned(fields: TransactionFields) -> list[Any]:
    """The transaction's items as RLP decodes them, up to the signature (EIP-1559, or EIP-155)."""
    to = to_canonical_address(fields["to"]) if "to" in fields else b""
    call: list[Any] = [_int(fields["gas"]), to, _int(fields["value"]), fields["data"]]
    if fields.get("type") == 2:
        fees = [_int(fields["maxPriorityFeePerGas"]), _int(fields["maxFeePerGas"])]
        return [_int(fields["chainId"]), _int(fields["nonce"]), *fees, *call, []]
    return [_int(fields["nonce"]), _int(fields["gasPrice"]), *call]


def _int(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8)
