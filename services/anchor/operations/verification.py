"""Checks that ask the chain. The database says where to look, never whether it is true."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.anchor.answers import Answers
from services.anchor.chain_types import ChainReader, SizedRoot
from services.anchor.checks import (
    BatchCheck,
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
from services.anchor.model import DRY, Anchor
from services.anchor.operations.anchors import Anchors
from services.anchor.storage import transactions
from services.common.clock import Clock
from services.common.database import Database
from services.common.errors import AnchorNotFound, InvalidArgument, MalformedProof, TransactionNotFound
from voketag_kernel.rfc6962 import InvalidProof, path_length, verify_inclusion

_MOST_ANSWERS = 10_000


@dataclass(frozen=True, slots=True)
class Registry:
    """Our contract on one chain, and the depth that counts there."""

    chain: ChainReader
    confirmations: int


class Verification:
    """Answers for everybody. ChainUnavailable when no node answers: then nothing is known."""

    def __init__(
        self,
        *,
        anchors: Anchors,
        database: Database,
        clock: Clock,
        registries: Mapping[str, Registry],
        keep_seconds: float,
    ) -> None:
        """`registries` are by the chain's name, the default one first; the dry chain has none.

        `keep_seconds` is how long an answer serves those who ask the same.
        """
        self._anchors = anchors
        self._database = database
        self._clock = clock
        self._registries = registries
        self._batches: Answers[BatchCheck] = Answers(seconds=keep_seconds, entries=_MOST_ANSWERS)
        self._transactions: Answers[TransactionCheck | None] = Answers(seconds=keep_seconds, entries=_MOST_ANSWERS)

    async def batch(self, batch_id: UUID, chain: str = "") -> BatchCheck:
        """Check that a batch's root is on a chain, in our contract, deep enough; AnchorNotFound.

        `chain` is the chain's name, empty for the batch's own.
        """
        return await self._batches.get((batch_id, chain), lambda: self._batch(batch_id, chain))

    async def proof(
        self, batch_id: UUID, *, leaf_hash: bytes, leaf_index: int, path: Sequence[bytes], chain: str = ""
    ) -> ProofCheck:
        """Check that a leaf is in the batch's stored tree, and then the batch on a chain, as `batch` does.

        AnchorNotFound; MalformedProof when no leaf of the batch can have such an index or such a path.
        """
        anchor = await self._anchor(batch_id, chain)
        _check_form(anchor, leaf_index, path)
        try:
            verify_inclusion(
                leaf_hash, index=leaf_index, size=anchor.tree_size, path=path, expected_root=anchor.merkle_root
            )
        except InvalidProof:
            return ProofCheck(Failure.PROOF_MISMATCH, included=False, batch=None)
        batch = await self.batch(batch_id, chain)
        return ProofCheck(batch.failure, included=True, batch=batch)

    async def transaction(self, tx_hash: str, chain: str = "") -> TransactionCheck:
        """Check what a transaction did in our contract; TransactionNotFound when the chain knows none of that hash.

        `chain` is the chain's name, empty for the default one; InvalidArgument for an unknown one.
        """
        registry = registry_of(self._registries, chain)
        check = await self._transactions.get((tx_hash, chain), lambda: self._transaction(tx_hash, registry))
        if check is None:
            raise TransactionNotFound
        return check

    async def _anchor(self, batch_id: UUID, chain: str) -> Anchor:
        anchor = await self._anchors.get(batch_id)
        found = anchor.on(chain) if chain else anchor
        if found is None:
            raise AnchorNotFound
        return found

    async def _batch(self, batch_id: UUID, chain: str) -> BatchCheck:
        anchor = await self._anchor(batch_id, chain)
        registry = self._registries.get(anchor.chain)
        if registry is None:
            return _without_chain(anchor)
        inclusion, required = anchor.inclusion, registry.confirmations
        if inclusion is None:
            waits = (Step(Subject.TRANSACTION, False, "the root waits for a transaction"),)
            return BatchCheck(anchor, Failure.NOT_ANCHORED_YET, waits, required)
        contract = registry.chain.contract_address
        steps = steps_offline(anchor, inclusion, chain_id=registry.chain.chain_id, contract=contract)
        if (failure := failure_offline(steps)) is not None:
            return BatchCheck(anchor, failure, steps, required)
        seen = await self._look(registry.chain, inclusion.tx_hash, root=inclusion.root)
        expected = SizedRoot(inclusion.root, inclusion.tree_size)
        steps += steps_on_chain(seen, expected=expected, contract=contract, required=required, ask_root=True)
        failure = failure_on_chain(anchor.state, inclusion, seen, contract=contract, required=required)
        return BatchCheck(anchor, failure, steps, required, seen)

    async def _transaction(self, tx_hash: str, registry: Registry) -> TransactionCheck | None:
        seen = await self._look(registry.chain, tx_hash, root=None)
        if seen.receipt is None and seen.transaction is None:
            return None
        async with self._database.reading() as tx:
            expected = await transactions.root_of(tx, tx_hash)
        contract, required = registry.chain.contract_address, registry.confirmations
        return TransactionCheck(
            failure=failure_of_transaction(seen, expected=expected, contract=contract, required=required),
            steps=steps_on_chain(seen, expected=expected, contract=contract, required=required, ask_root=False),
            required=required,
            chain_id=registry.chain.chain_id,
            contract=contract,
            seen=seen,
        )

    async def _look(self, chain: ChainReader, tx_hash: str, *, root: bytes | None) -> Seen:
        """Ask for the head first, so that depth is never overstated, and then for the rest at once."""
        head, at = await chain.head(), self._clock.now()
        receipt, anchored_at = await asyncio.gather(
            chain.receipt(tx_hash), _nothing() if root is None else chain.anchored_at(root)
        )
        has_events = receipt is not None and receipt.events
        transaction = None if has_events else await chain.transaction(tx_hash)
        return Seen(head, at, receipt, transaction, anchored_at)


def registry_of(registries: Mapping[str, Registry], chain: str) -> Registry:
    """Return the registry on a chain, the default one for an empty name; InvalidArgument for an unknown one."""
    found = registries.get(chain) if chain else next(iter(registries.values()), None)
    if found is None:
        raise InvalidArgument.of("chain", f"no chain of this name; known are {', '.join(registries) or 'none'}")
    return found


def _without_chain(anchor: Anchor) -> BatchCheck:
    if anchor.chain == DRY:
        told = Step(Subject.CONTRACT, False, "the dry chain is none: the root was written nowhere, and proves nothing")
        return BatchCheck(anchor, Failure.DRY_RUN, (told,), 0)
    told = Step(Subject.CONTRACT, False, f"this service does not anchor on chain {anchor.chain} any more")
    return BatchCheck(anchor, Failure.WRONG_CONTRACT, (told,), 0)


def _check_form(anchor: Anchor, leaf_index: int, path: Sequence[bytes]) -> None:
    if leaf_index >= anchor.tree_size:
        raise MalformedProof.of("leaf_index", f"the batch has {anchor.tree_size} leaves, counted from 0")
    if len(path) != (hashes := path_length(leaf_index, anchor.tree_size)):
        raise MalformedProof.of("inclusion_path", f"the path of leaf {leaf_index} has {hashes} hashes")


async def _nothing() -> None:
    return None
