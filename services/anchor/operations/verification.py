"""Checks that ask the chain. The database says where to look, never whether it is true."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from services.anchor.answers import Answers
from services.anchor.chain_types import ChainReader, SizedRoot
from services.anchor.checks import (
    BatchCheck,
    ChainStatus,
    Failure,
    ProofCheck,
    Seen,
    Step,
    Subject,
    TransactionCheck,
    failure_of_transaction,
    failure_offline,
    failure_on_chain,
    steps_offline,
    steps_on_chain,
)
from services.anchor.model import Anchor, AnchorState
from services.anchor.operations.anchors import Anchors
from services.anchor.storage import anchors as storage
from services.anchor.storage import chains, transactions
from services.common.clock import Clock
from services.common.database import Database
from services.common.errors import MalformedProof, TransactionNotFound
from voketag_kernel.rfc6962 import InvalidProof, path_length, verify_inclusion

_MOST_ANSWERS = 10_000


class Verification:
    """Answers for everybody. ChainUnavailable when no node answers: then nothing is known."""

    def __init__(
        self,
        *,
        anchors: Anchors,
        database: Database,
        clock: Clock,
        chain: ChainReader,
        confirmations: int,
        keep_seconds: float,
    ) -> None:
        """`keep_seconds` is how long an answer serves those who ask the same."""
        self._anchors = anchors
        self._database = database
        self._clock = clock
        self._chain = chain
        self._confirmations = confirmations
        self._batches: Answers[BatchCheck] = Answers(seconds=keep_seconds, entries=_MOST_ANSWERS)
        self._transactions: Answers[TransactionCheck | None] = Answers(seconds=keep_seconds, entries=_MOST_ANSWERS)

    async def batch(self, batch_id: UUID) -> BatchCheck:
        """Check that a batch's root is on the chain, in our contract, deep enough; AnchorNotFound."""
        return await self._batches.get(batch_id, lambda: self._batch(batch_id))

    async def proof(self, batch_id: UUID, *, leaf_hash: bytes, leaf_index: int, path: Sequence[bytes]) -> ProofCheck:
        """Check that a leaf is in the batch's stored tree, and then the batch.

        AnchorNotFound; MalformedProof when no leaf of the batch can have such an index or such a path.
        """
        anchor = await self._anchors.get(batch_id)
        _check_form(anchor, leaf_index, path)
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
        check = await self._transactions.get(tx_hash, lambda: self._transaction(tx_hash))
        if check is None:
            raise TransactionNotFound
        return check

    async def _batch(self, batch_id: UUID) -> BatchCheck:
        anchor = await self._anchors.get(batch_id)
        inclusion = anchor.inclusion
        if inclusion is None:
            waits = (Step(Subject.TRANSACTION, False, "the root waits for a transaction"),)
            return BatchCheck(anchor, Failure.NOT_ANCHORED_YET, waits, self._confirmations)
        contract = self._chain.contract_address
        steps = steps_offline(anchor, inclusion, chain_id=self._chain.chain_id, contract=contract)
        if (failure := failure_offline(steps)) is not None:
            return BatchCheck(anchor, failure, steps, self._confirmations)
        seen = await self._look(inclusion.tx_hash, root=inclusion.root)
        expected = SizedRoot(inclusion.root, inclusion.tree_size)
        steps += steps_on_chain(seen, expected=expected, contract=contract, required=self._confirmations, ask_root=True)
        failure = failure_on_chain(anchor.state, inclusion, seen, contract=contract, required=self._confirmations)
        return BatchCheck(anchor, failure, steps, self._confirmations, seen)

    async def _transaction(self, tx_hash: str) -> TransactionCheck | None:
        seen = await self._look(tx_hash, root=None)
        if seen.receipt is None and seen.transaction is None:
            return None
        async with self._database.reading() as tx:
            expected = await transactions.root_of(tx, tx_hash)
        contract, required = self._chain.contract_address, self._confirmations
        return TransactionCheck(
            failure=failure_of_transaction(seen, expected=expected, contract=contract, required=required),
            steps=steps_on_chain(seen, expected=expected, contract=contract, required=required, ask_root=False),
            required=required,
            chain_id=self._chain.chain_id,
            contract=contract,
            seen=seen,
        )

    async def _look(self, tx_hash: str, *, root: bytes | None) -> Seen:
        """Ask for the head first, so that depth is never overstated, and then for the rest at once."""
        head, at = await self._chain.head(), self._clock.now()
        receipt, anchored_at = await asyncio.gather(
            self._chain.receipt(tx_hash), _nothing() if root is None else self._chain.anchored_at(root)
        )
        has_events = receipt is not None and receipt.events
        transaction = None if has_events else await self._chain.transaction(tx_hash)
        return Seen(head, at, receipt, transaction, anchored_at)


def _check_form(anchor: Anchor, leaf_index: int, path: Sequence[bytes]) -> None:
    if leaf_index >= anchor.tree_size:
        raise MalformedProof.of("leaf_index", f"the batch has {anchor.tree_size} leaves, counted from 0")
    if len(path) != (hashes := path_length(leaf_index, anchor.tree_size)):
        raise MalformedProof.of("inclusion_path", f"the path of leaf {leaf_index} has {hashes} hashes")


async def _nothing() -> None:
    return None


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
