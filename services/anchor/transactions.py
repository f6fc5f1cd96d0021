"""Makes the transactions that go to the registry contract, and reads what it emits. Pure: no I/O, no web3."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.abi import function_signature_to_4byte_selector
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from services.anchor.chain_errors import FeeAboveCeiling
from services.anchor.chain_types import AnchoredEvent, Fees, SignedTransaction, SizedRoot
from services.anchor.signer import Signer, TransactionFields
from voketag_kernel import receipts

MAX_ROOTS_PER_TRANSACTION = 256  # the contract's bound
ANCHORED_TOPIC = bytes.fromhex(receipts.ANCHORED_TOPIC.removeprefix("0x"))


def encode_anchor(roots: Sequence[SizedRoot]) -> bytes:
    """Call data that anchors the roots: `anchor` for one, `anchorMany` for several. ValueError outside 1..256 roots."""
    if not 1 <= len(roots) <= MAX_ROOTS_PER_TRANSACTION:
        raise ValueError(f"a transaction anchors 1..{MAX_ROOTS_PER_TRANSACTION} roots, not {len(roots)}")
    pairs = [(item.root, item.size) for item in roots]
    if len(pairs) == 1:
        return encode_call("anchor", ["bytes32", "uint64"], pairs[0])
    return encode_call("anchorMany", ["(bytes32,uint64)[]"], [pairs])


def encode_call(function: str, types: Sequence[str], arguments: Sequence[object]) -> bytes:
    """Call data: selector, then arguments (Solidity ABI, "Formal Specification of the Encoding")."""
    return function_signature_to_4byte_selector(f"{function}({','.join(types)})") + encode(types, arguments)


def anchored_events(logs: Iterable[Mapping[str, Any]], contract_address: str) -> tuple[AnchoredEvent, ...]:
    """The Anchored events in logs (bytes and ints, not hex), our contract's only: anyone may emit a copy."""
    return tuple(
        _anchored_event(log)
        for log in logs
        if to_checksum_address(log["address"]) == contract_address and bytes(log["topics"][0]) == ANCHORED_TOPIC
    )


def _anchored_event(log: Mapping[str, Any]) -> AnchoredEvent:
    _, root, writer = log["topics"]
    size, timestamp = decode(["uint64", "uint64"], log["data"])
    return AnchoredEvent(
        root=bytes(root),
        size=size,
        timestamp=timestamp,
        writer=to_checksum_address(writer[-20:]),
        tx_hash="0x" + log["transactionHash"].hex(),
        block_number=log["blockNumber"],
        block_hash="0x" + log["blockHash"].hex(),
    )


def fields_of(
    *, chain_id: int, to: str | None, data: bytes, nonce: int, gas_limit: int, fees: Fees
) -> TransactionFields:
    """The transaction to sign, of type 2 (EIP-1559) or legacy (EIP-155); `to` None creates a contract."""
    fields: TransactionFields = {"chainId": chain_id, "data": data, "value": 0, "nonce": nonce, "gas": gas_limit}
    if to is not None:
        fields["to"] = to
    if fees.priority_wei is None:
        fields["gasPrice"] = fees.max_wei
    else:
        fields |= {"type": 2, "maxFeePerGas": fees.max_wei, "maxPriorityFeePerGas": fees.priority_wei}
    return fields


async def sign(
    signer: Signer, *, chain_id: int, to: str | None, data: bytes, nonce: int, gas_limit: int, fees: Fees
) -> SignedTransaction:
    """Sign without telling anyone: the caller stores the result first and broadcasts it afterwards."""
    raw = await signer.sign(fields_of(chain_id=chain_id, to=to, data=data, nonce=nonce, gas_limit=gas_limit, fees=fees))
    return SignedTransaction(raw=raw, tx_hash="0x" + keccak(raw).hex(), nonce=nonce, fees=fees, gas_limit=gas_limit)


def replacement_fees(*, stuck: Fees, fresh: Fees, ceiling_wei: int) -> Fees:
    """Fees that replace a stuck transaction on its nonce: today's, and at least 12.5 % above the stuck ones.

    Pools ask for 10 % in both parts (geth, Besu, Erigon, Nethermind, anvil); the margin covers their rounding.
    FeeAboveCeiling when the ceiling leaves no room: the stuck transaction stays the best offer.
    """
    bumped = max(fresh.max_wei, _bumped(stuck.max_wei))
    if bumped > ceiling_wei:
        raise FeeAboveCeiling(f"a replacement needs {bumped} wei per gas, the ceiling is {ceiling_wei}")
    if fresh.priority_wei is None or stuck.priority_wei is None:
        return Fees(bumped, None)
    return Fees(bumped, min(bumped, max(fresh.priority_wei, _bumped(stuck.priority_wei))))


def _bumped(wei: int) -> int:
    return wei + wei // 8 + 1
