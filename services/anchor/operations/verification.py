"""Checks that ask the chain. The database says where to look, never whether it is true."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from services.anchor.chain_types import ChainReader
from services.anchor.checks import (
    BatchCheck,
    ChainStatus,
    Failure,
    ProofCheck,
    TransactionCheck,
    depth,
    failure_on_chain,
)
from services.anchor.model import AnchorState
from services.anchor.operations.anchors import Anchors
from services.anchor.storage import anchors as storage
from services.anchor.storage import chains
from services.common.database import Database
from services.common.errors import TransactionNotFound
from voketag_kernel.rfc6962 import InvalidProof, verify_inclusion


class Verification:
    """Answers for everybody. ChainUnavailable when no node answers: then nothing is known."""

    def __init__(self, *, anchors: Anchors, chain: ChainReader, confirmations: int) -> None:
        self._anchors = anchors
        self._chain = chain
        self._confirmations = confirmations

    async def batch(self, batch_id: UUID) -> BatchCheck:
        """Check that a batch's root is on the chain, in our contract, deep enough; AnchorNotFound."""
        anchor = await self._anchors.get(batch_id)
        inclusion = anchor.inclusion
        if inclusion is None:
            return BatchCheck(anchor, Failure.NOT_ANCHORED_YET)
        if (inclusion.chain_id, inclusion.contract) != (self._chain.chain_id, self._chain.contract_address):
            return BatchCheck(anchor, Failure.WRONG_CONTRACT)
        if not anchor.is_included():
            return BatchCheck(anchor, Failure.PROOF_MISMATCH)
        head = await self._chain.head()  # before the receipt, so that depth is never overstated
        receipt, anchored_at = await asyncio.gather(
            self._chain.receipt(inclusion.tx_hash), self._chain.anchored_at(inclusion.root)
        )
        confirmations = 0 if receipt is None else depth(head.number, receipt.block_number)
        failure = failure_on_chain(
            anchor,
            inclusion,
            receipt=receipt,
            anchored_at=anchored_at,
            confirmations=confirmations,
            required=self._confirmations,
        )
        return BatchCheck(anchor, failure, anchored_at, confirmations, head.number)

    async def proof(self, batch_id: UUID, *, leaf_hash: bytes, leaf_index: int, path: Sequence[bytes]) -> ProofCheck:
        """Check that a leaf is in the batch's stored tree, and then the batch; AnchorNotFound."""
        anchor = await self._anchors.get(batch_id)
        try:
            verify_inclusion(
                leaf_hash, index=leaf_index, size=anchor.tree_size, path=path, expected_root=anchor.merkle_root
            )
        except InvalidProof:
            return ProofCheck(Failure.PROOF_MISMATCH, included=False, batch=None)
        batch = await self.batch(batch_id)
        return ProofCheck(batch.failure, included=True, batch=batch)

    async def transaction(self, tx_hash: str) -> TransactionCheck:
        """Check what a transaction did in our contract; TransactionNotFound when the chain knows none of that hash."""
        head = await self._chain.head()
        receipt, found = await asyncio.gather(self._chain.receipt(tx_hash), self._chain.transaction(tx_hash))
        if receipt is None:
            if found is None:
                raise TransactionNotFound
            ours = found.to == self._chain.contract_address
            return TransactionCheck(Failure.NOT_ANCHORED_YET if ours else Failure.WRONG_CONTRACT)
        confirmations = depth(head.number, receipt.block_number)
        roots = tuple(event.root for event in receipt.events)
        # An event is the contract's own word, whoever called it; without one, the recipient says whose call it was.
        if not roots and (found is None or found.to != self._chain.contract_address):
            failure: Failure | None = Failure.WRONG_CONTRACT
        elif not receipt.succeeded:
            failure = Failure.TRANSACTION_FAILED
        elif not roots:
            failure = Failure.ROOT_NOT_ON_CHAIN
        else:
            failure = None if confirmations >= self._confirmations else Failure.TOO_FEW_CONFIRMATIONS
        return TransactionCheck(failure, roots, receipt.block_number, confirmations)


class Status:
    """How the chain and our work on it stand."""

    def __init__(self, *, database: Database, chain: ChainReader, confirmations: int) -> None:
        self._database = database
        self._chain = chain
        self._confirmations = confirmations

    async def status(self) -> ChainStatus:
        """Ask the chain and the database; ChainUnavailable."""
        async with self._database.reading() as tx:
            signer, _ = await chains.said(tx, self._chain.chain_id)
            counts = await storage.count_unfinished(tx)
        head = await self._chain.head()
        return ChainStatus(
            chain_id=self._chain.chain_id,
            contract=self._chain.contract_address,
            head_block=head.number,
            head_time=head.timestamp,
            confirmations_required=self._confirmations,
            signer=signer,
            balance_wei=await self._chain.balance_of(signer) if signer else 0,
            pending=counts[AnchorState.PENDING],
            submitted=counts[AnchorState.SUBMITTED],
        )
