"""anvil's published development accounts, and what tests do with a chain beside what the chain client does."""

import asyncio
from pathlib import Path
from typing import Protocol

from eth_account import Account
from eth_account.signers.local import LocalAccount

from deploy.local.anvil import CHAIN_ID, Anvil
from services.anchor.chain import EvmChain
from services.anchor.chain_types import TransactionReceipt
from services.anchor.node import EvmNode
from services.anchor.signer import Signer

GWEI = 10**9
CEILING_WEI = 500 * GWEI

Account.enable_unaudited_hdwallet_features()
OWNER, WRITER, STRANGER = (
    Account.from_mnemonic("test " * 11 + "junk", account_path=f"m/44'/60'/0'/0/{index}") for index in range(3)
)


async def mined(node: EvmNode, tx_hash: str) -> TransactionReceipt:
    """The receipt, once anvil has made it: even mining at once takes it a moment."""
    for _ in range(500):
        receipt = await node.receipt(tx_hash)
        if receipt is not None:
            return receipt
        await asyncio.sleep(0.02)
    raise AssertionError(f"anvil did not mine {tx_hash} within 10 s")


def mine(anvil: Anvil) -> None:
    """Mine one block now, whatever automine says."""
    anvil.call("anvil_mine", "0x1")


def hold_blocks(anvil: Anvil) -> None:
    """Let transactions wait in the pool until `mine`."""
    anvil.call("evm_setAutomine", False)


def empty(anvil: Anvil) -> None:
    """Go back to the genesis block, mining a block per transaction, the accounts funded anew."""
    anvil.call("anvil_reset")
    anvil.call("evm_setAutomine", True)


def write_key(folder: Path, account: LocalAccount) -> Path:
    """The account's private key in a file, as an operator would keep it."""
    path = folder / f"{account.address}.key"
    path.write_text(account.key.hex())
    path.chmod(0o600)
    return path


class OpenChain(Protocol):
    """The `open_chain` fixture."""

    async def __call__(
        self,
        url: str,
        contract_address: str,
        signer: Signer,
        *,
        chain_id: int = CHAIN_ID,
        timeout_seconds: float = 10,
        genesis_hash: str = "",
    ) -> EvmChain:
        """A client that the fixture closes."""
        ...
