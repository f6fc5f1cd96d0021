"""Protobuf to model and back."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from services.anchor.checks import BatchCheck, ChainStatus, Failure, ProofCheck, Step, TransactionCheck
from services.anchor.model import Anchor, AnchorKind, AnchorState, Inclusion
from services.anchor.operations.anchors import Page
from services.common.caller import Caller, CallerKind
from services.common.errors import InvalidPageToken, PermissionDenied
from services.common.paging import decode_token, encode_token
from voketag.anchor.v1 import anchor_pb2


def state_filter(request: anchor_pb2.ListAnchorsRequest) -> AnchorState | None:
    """Return the state to list, None for all."""
    return AnchorState(request.state) if request.state else None


def position(page_token: str) -> UUID | None:
    """Return the last anchor of the page before; InvalidPageToken."""
    found = decode_token(page_token, str)
    if found is None:
        return None
    try:
        return UUID(str(found[0]))
    except ValueError as error:
        raise InvalidPageToken from error


def kind(request: anchor_pb2.SubmitAnchorRequest, caller: Caller) -> AnchorKind:
    """Return what a submitted root is of; PermissionDenied for a kind that is not the caller's business."""
    asked = AnchorKind(request.kind or AnchorKind.BATCH.value)
    if caller.kind is CallerKind.SERVICE and (caller.subject == "scan") != (asked is AnchorKind.LEDGER):
        raise PermissionDenied("Scan submits the ledger's checkpoints, Factory the roots of batches")
    return asked


def anchor(found: Anchor) -> anchor_pb2.Anchor:
    """Return an anchor, and those of the same root on other chains where they were looked up."""
    return anchor_pb2.Anchor(
        anchor_id=str(found.anchor_id),
        batch_id=str(found.batch_id),
        merkle_root=found.merkle_root.hex(),
        tree_size=found.tree_size,
        state=anchor_pb2.AnchorState.ValueType(found.state.value),
        inclusion=None if found.inclusion is None else _inclusion(found.inclusion),
        error=found.error,
        created_at=_time(found.created_at),
        confirmed_at=_time(found.confirmed_at),
        kind=anchor_pb2.AnchorKind.ValueType(found.kind.value),
        urgent=found.urgent,
        chain=found.chain,
        chains=[_on_chain(one) for one in (found, *found.others)],
    )


def _on_chain(found: Anchor) -> anchor_pb2.ChainAnchor:
    return anchor_pb2.ChainAnchor(
        chain=found.chain,
        anchor_id=str(found.anchor_id),
        state=anchor_pb2.AnchorState.ValueType(found.state.value),
        inclusion=None if found.inclusion is None else _inclusion(found.inclusion),
        error=found.error,
        confirmed_at=_time(found.confirmed_at),
    )


def anchor_page(page: Page) -> anchor_pb2.ListAnchorsResponse:
    """Return a page of anchors."""
    token = encode_token(str(page.anchors[-1].anchor_id)) if page.more else ""
    return anchor_pb2.ListAnchorsResponse(anchors=[anchor(found) for found in page.anchors], next_page_token=token)


def batch_check(check: BatchCheck) -> anchor_pb2.VerifyBatchResponse:
    """Return what the chain says about a batch."""
    seen = check.seen
    answer = anchor_pb2.VerifyBatchResponse(
        valid=check.failure is None,
        failure=_failure(check.failure),
        anchor=anchor(check.anchor),
        steps=_steps(check.steps),
        confirmations_required=check.required,
    )
    if seen is not None:
        answer.checked_block = seen.head.number
        answer.checked_at.FromDatetime(seen.at)
        answer.confirmations = seen.confirmations
        answer.block_number = seen.receipt.block_number if seen.receipt else 0
        if seen.anchored_at is not None:
            answer.anchored_at.FromSeconds(seen.anchored_at)
    return answer


def proof_check(check: ProofCheck) -> anchor_pb2.VerifyProofResponse:
    """Return what became of a proof."""
    return anchor_pb2.VerifyProofResponse(
        valid=check.failure is None,
        failure=_failure(check.failure),
        included=check.included,
        batch=None if check.batch is None else batch_check(check.batch),
    )


def transaction_check(check: TransactionCheck) -> anchor_pb2.VerifyTransactionResponse:
    """Return what a transaction did."""
    seen = check.seen
    return anchor_pb2.VerifyTransactionResponse(
        valid=check.failure is None,
        failure=_failure(check.failure),
        roots=[root.hex() for root in check.roots],
        block_number=seen.receipt.block_number if seen.receipt else 0,
        confirmations=seen.confirmations,
        checked_block=seen.head.number,
        steps=_steps(check.steps),
        checked_at=_time(seen.at),
        confirmations_required=check.required,
        chain_id=check.chain_id,
        contract=check.contract,
    )


def chain_status(status: ChainStatus) -> anchor_pb2.ChainStatus:
    """Return how the chain stands."""
    now = status.now
    base_fee = None if now is None else now.head.base_fee_wei
    return anchor_pb2.ChainStatus(
        chain=status.chain,
        chain_id=status.chain_id,
        contract=status.contract,
        confirmations_required=status.confirmations_required,
        reachable=now is not None,
        head_block=now.head.number if now else 0,
        head_time=Timestamp(seconds=now.head.timestamp) if now else None,
        head_age_seconds=max(0, int(status.at.timestamp()) - now.head.timestamp) if now else 0,
        nonce=now.nonce if now else 0,
        balance_wei=str(now.balance_wei) if now else "",
        base_fee_wei="" if base_fee is None else str(base_fee),
        signer=status.standing.sender,
        waits_for=status.standing.waits_for,
        last_error=status.standing.last_error,
        last_error_at=_time(status.standing.last_error_at),
        refused_in_a_row=status.standing.refusals,
        held_until=_time(status.standing.held_until) if status.standing.held(status.at) else None,
        pending=status.counts[AnchorState.PENDING],
        submitted=status.counts[AnchorState.SUBMITTED],
        failed=status.counts[AnchorState.FAILED],
        oldest_pending_seconds=(
            max(0, int((status.at - status.oldest_pending_at).total_seconds())) if status.oldest_pending_at else 0
        ),
        cost_per_root_wei="" if status.cost_per_root_wei is None else str(status.cost_per_root_wei),
        chains=status.chains,
    )


def _inclusion(found: Inclusion) -> anchor_pb2.AnchorInclusion:
    return anchor_pb2.AnchorInclusion(
        leaf_index=found.leaf_index,
        tree_size=found.tree_size,
        root=found.root.hex(),
        inclusion_path=[node.hex() for node in found.path],
        chain_id=found.chain_id,
        contract=found.contract,
        tx_hash=found.tx_hash,
        block_number=found.block_number,
        cost_wei="" if found.cost_wei is None else str(found.cost_wei),
    )


def _steps(steps: Iterable[Step]) -> list[anchor_pb2.VerificationStep]:
    return [
        anchor_pb2.VerificationStep(
            subject=anchor_pb2.VerificationSubject.ValueType(step.subject.value), holds=step.holds, detail=step.detail
        )
        for step in steps
    ]


def _failure(failure: Failure | None) -> anchor_pb2.VerificationFailure.ValueType:
    return anchor_pb2.VerificationFailure.ValueType(0 if failure is None else failure.value)


def _time(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
