"""The registry contract on a chain: `EvmReader` asks it and holds no key, `EvmChain` also writes.

`chain_types` says what each method promises; `node` is the way to the chain.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from eth_utils.address import to_checksum_address

from services.anchor.chain_errors import ContractReverted, WrongChain
from services.anchor.chain_types import AnchoredEvent, Fees, SignedTransaction, SizedRoot
from services.anchor.contract.artifact import load_artifact
from services.anchor.node import EvmNode, Rpc
from services.anchor.signer import Signer
from services.anchor.transactions import ANCHORED_TOPIC, anchored_events, encode_anchor, encode_call, sign


class EvmReader(EvmNode):
    """A `ChainReader`: a node and the registry contract at one address. Holds no key."""

    def __init__(
        self, *, rpc: Rpc, chain_id: int, fee_ceiling_wei: int, contract_address: str, genesis_hash: str = ""
    ) -> None:
        """Asks the node nothing, so a service can start while its node is down."""
        super().__init__(rpc=rpc, chain_id=chain_id, fee_ceiling_wei=fee_ceiling_wei, genesis_hash=genesis_hash)
        self.contract_address: str = to_checksum_address(contract_address)

    async def check(self) -> None:
        """WrongChain when the node is of another chain, or our contract is not what stands at its address."""
        await self.check_chain()
        if await self.code_at(self.contract_address) != load_artifact().runtime_bytecode:
            raise WrongChain(
                f"no AnchorRegistry of this version stands at {self.contract_address} on chain {self.chain_id}: "
                "correct the contract address, or deploy the contract"
            )

    async def anchored_at(self, root: bytes) -> int | None:
        """Time of the block that anchored the root."""
        return await self._ask("anchoredAt", root) or None

    async def find_anchored(self, root: bytes) -> AnchoredEvent | None:
        """The event that anchored the root, from the logs of the one block that the contract names."""
        block = await self._ask("blockOf", root)
        if block == 0:
            return None
        events = await self.events_in_block(block, address=self.contract_address, topics=[ANCHORED_TOPIC, root])
        return events[0] if events else None

    async def _ask(self, function: str, root: bytes) -> int:
        answer = await self.call(to=self.contract_address, data=encode_call(function, ["bytes32"], [root]))
        if len(answer) != 32:
            raise WrongChain(f"no contract answers at {self.contract_address} on chain {self.chain_id}")
        return int.from_bytes(answer, "big")

    def _events(self, logs: Sequence[Mapping[str, Any]]) -> tuple[AnchoredEvent, ...]:
        return anchored_events(logs, self.contract_address)


class EvmChain(EvmReader):
    """A `Chain`: what `EvmReader` reads, and the signer that writes. Call `check` before the first write."""

    def __init__(
        self,
        *,
        rpc: Rpc,
        chain_id: int,
        fee_ceiling_wei: int,
        contract_address: str,
        signer: Signer,
        genesis_hash: str = "",
    ) -> None:
        """Asks the node nothing."""
        super().__init__(
            rpc=rpc,
            chain_id=chain_id,
            fee_ceiling_wei=fee_ceiling_wei,
            contract_address=contract_address,
            genesis_hash=genesis_hash,
        )
        self._signer = signer

    @property
    def sender(self) -> str:
        """Checksummed address that signs and pays."""
        return self._signer.address

    async def pending_nonce(self) -> int:
        """`pending_nonce_of` the sender."""
        return await self.pending_nonce_of(self.sender)

    async def mined_nonce(self) -> int:
        """`mined_nonce_of` the sender."""
        return await self.mined_nonce_of(self.sender)

    async def balance(self) -> int:
        """`balance_of` the sender."""
        return await self.balance_of(self.sender)

    async def estimate_anchor(self, roots: Sequence[SizedRoot]) -> int:
        """Gas limit for anchoring these roots now."""
        return await self.estimate(sender=self.sender, to=self.contract_address, data=encode_anchor(roots))

    async def why_refused(self, root: SizedRoot, *, sender: str, block_number: int) -> str:
        """The contract's reason to refuse a sender this root on the state of a block; empty when it gives none."""
        data = encode_anchor([root])
        try:
            await self.call(to=self.contract_address, data=data, sender=sender, block_number=block_number)
        except ContractReverted as error:
            return error.text
        return ""

    async def sign_anchor(
        self, roots: Sequence[SizedRoot], *, nonce: int, fees: Fees, gas_limit: int | None = None
    ) -> SignedTransaction:
        """The transaction that anchors the roots, told to nobody yet."""
        return await sign(
            self._signer,
            chain_id=self.chain_id,
            to=self.contract_address,
            data=encode_anchor(roots),
            nonce=nonce,
            gas_limit=await self.estimate_anchor(roots) if gas_limit is None else gas_limit,
            fees=fees,
        )

    async def sign_filler(self, *, nonce: int, fees: Fees) -> SignedTransaction:
        """A transfer of nothing to the sender itself, which does nothing but use the nonce."""
        return await sign(
            self._signer,
            chain_id=self.chain_id,
            to=self.sender,
            data=b"",
            nonce=nonce,
            gas_limit=await self.estimate(sender=self.sender, to=self.sender, data=b""),
            fees=fees,
        )
