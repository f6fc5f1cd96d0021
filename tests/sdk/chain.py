"""A real chain that signs for its callers, with the real registry contract on it."""

from time import monotonic, sleep
from typing import Any

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector

from deploy.local.anvil import Anvil
from services.anchor.contract.artifact import load_artifact


class Chain:
    """anvil with unlocked accounts: it signs for us."""

    def __init__(self, anvil: Anvil) -> None:
        self.anvil = anvil
        self._sender = anvil.call("eth_accounts")[0]

    def send(self, data: bytes, to: str | None = None) -> dict[str, Any]:
        """Mine one transaction and return its receipt, whether it succeeds or not."""
        call = {"from": self._sender, "data": "0x" + data.hex(), "gas": hex(3_000_000)} | ({"to": to} if to else {})
        tx_hash = self.anvil.call("eth_sendTransaction", call)
        deadline = monotonic() + 10
        while monotonic() < deadline:
            mined: dict[str, Any] | None = self.anvil.call("eth_getTransactionReceipt", tx_hash)
            if mined is not None:
                return mined
            sleep(0.02)  # even mining at once takes a moment
        raise AssertionError(f"anvil did not mine {tx_hash} within 10 s")

    def deploy(self) -> str:
        """Deploy a registry that we may write to."""
        constructor = encode(["address", "address"], [self._sender, self._sender])
        address: str = self.send(bytes.fromhex(load_artifact().init_bytecode[2:]) + constructor)["contractAddress"]
        return address

    def anchor(self, contract: str, root: bytes, size: int) -> dict[str, Any]:
        selector = function_signature_to_4byte_selector("anchor(bytes32,uint64)")
        return self.send(selector + encode(["bytes32", "uint64"], [root, size]), contract)
