"""Put AnchorRegistry on a chain: one transaction, after which the deploying key has no power of its own."""

import asyncio
import json
from dataclasses import asdict, dataclass

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from services.anchor.chain_errors import ChainRefused, WrongChain
from services.anchor.chain_types import Broadcast, TransactionReceipt
from services.anchor.contract.artifact import load_artifact
from services.anchor.node import EvmNode
from services.anchor.signer import Signer
from services.anchor.transactions import sign
from services.common.errors import ChainUnavailable

ZERO_ADDRESS = "0x" + "00" * 20
POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Deployment:
    """A contract that stands on a chain, checked against the artifact."""

    chain_id: int
    contract_address: str
    owner: str
    writer: str
    tx_hash: str
    block_number: int
    gas_used: int

    def to_json(self) -> str:
        """One JSON object, for a command to print."""
        return json.dumps(asdict(self), indent=2)


async def deploy(
    *,
    node: EvmNode,
    signer: Signer,
    owner: str | None = None,
    writer: str | None = None,
    timeout_seconds: float = 120,
) -> Deployment:
    """Deploy from the signer's address and wait until it is mined. Every call makes a new contract.

    `owner` and `writer` are the first of their kind, the signer where None; `ZERO_ADDRESS` as writer means none yet.
    Raises WrongChain, ChainUnavailable, InsufficientFunds, FeeAboveCeiling, ContractReverted (a zero owner), and
    ChainRefused when the transaction was taken but not mined in time; its text names the transaction to look for.
    """
    await node.check_chain()
    owner = to_checksum_address(owner or signer.address)
    writer = to_checksum_address(writer or signer.address)
    artifact = load_artifact()
    data = bytes.fromhex(artifact.init_bytecode[2:]) + encode(["address", "address"], [owner, writer])
    signed = await sign(
        signer,
        chain_id=node.chain_id,
        to=None,
        data=data,
        nonce=await node.pending_nonce_of(signer.address),
        gas_limit=await node.estimate(sender=signer.address, to=None, data=data),
        fees=await node.suggest_fees(),
    )
    outcome = await node.broadcast(signed.raw)
    if outcome in (Broadcast.NONCE_USED, Broadcast.UNDERPRICED):
        raise ChainRefused(f"another transaction took nonce {signed.nonce} of {signer.address}: deploy again")
    receipt = await _mined(node, signed.tx_hash, timeout_seconds)
    address = receipt.contract_address
    if not receipt.succeeded or address is None:
        raise ChainRefused(f"the deployment {signed.tx_hash} was mined and failed")
    if await node.code_at(address) != artifact.runtime_bytecode:
        raise WrongChain(f"what stands at {address} is not the artifact's byte code: do not use it")
    return Deployment(
        chain_id=node.chain_id,
        contract_address=address,
        owner=owner,
        writer=writer,
        tx_hash=signed.tx_hash,
        block_number=receipt.block_number,
        gas_used=receipt.gas_used,
    )


async def _mined(node: EvmNode, tx_hash: str, timeout_seconds: float) -> TransactionReceipt:
    try:
        async with asyncio.timeout(timeout_seconds):
            while True:
                # The transaction is out: a node that is briefly away must not lose track of it.
                try:
                    receipt = await node.receipt(tx_hash)
                except ChainUnavailable:
                    receipt = None
                if receipt is not None:
                    return receipt
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise ChainRefused(
            f"{tx_hash} was not mined within {timeout_seconds:g} s: wait for it, or replace it, before deploying again"
        ) from None
