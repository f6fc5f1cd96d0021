"""Batches in protobuf."""

from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from services.common.errors import InvalidArgument
from services.factory.convert.fields import moment, text, texts, timestamp
from services.factory.convert.listing import token
from services.factory.model.batches import (
    AnchorOutcome,
    Batch,
    BatchAnchor,
    BatchFilter,
    BatchOrder,
    BatchPriority,
    BatchState,
)
from services.factory.model.listing import Order
from services.factory.model.page import Page
from voketag.factory.v1 import batch_control_pb2, factory_pb2

ORDERS: Final = frozenset({"created_at"})
"""What batches are listed by."""


def batch_id(request: Any) -> UUID:
    """Return the batch that a request names."""
    return UUID(request.batch_id)


def batch_order(request: factory_pb2.CreateBatchRequest) -> BatchOrder:
    """Return the order; InvalidArgument for days that no calendar has, or an expiry before the manufacture."""
    manufactured_at = _day("manufactured_at", request.manufactured_at)
    expires_at = _day("expires_at", request.expires_at)
    if manufactured_at and expires_at and expires_at < manufactured_at:
        raise InvalidArgument.of("expires_at", "give a day that is not before manufactured_at")
    return BatchOrder(
        product_id=UUID(request.product_id),
        quantity=request.quantity,
        lot=text("lot", request.lot),
        manufactured_at=manufactured_at,
        expires_at=expires_at,
        metadata=texts("metadata", dict(request.metadata)),
        priority=BatchPriority(request.priority or BatchPriority.NORMAL),
        chains=tuple(request.chains),
    )


def batch_filter(request: factory_pb2.ListBatchesRequest) -> BatchFilter:
    """Return what a listing shows."""
    return BatchFilter(
        product_id=UUID(request.product_id) if request.product_id else None,
        state=BatchState(request.state) if request.state else None,
        lot=text("lot", request.lot),
        created_from=_moment(request, "created_from"),
        created_to=_moment(request, "created_to"),
    )


def anchor_outcome(request: factory_pb2.ReportAnchorOutcomeRequest) -> AnchorOutcome:
    """Return what became of a root."""
    root = bytes.fromhex(request.merkle_root)
    if request.WhichOneof("outcome") == "failed":
        return AnchorOutcome(root, None, request.failed)
    at = request.confirmed
    return AnchorOutcome(root, BatchAnchor(at.tx_hash, at.block_number, at.chain_id))


def batch(found: Batch) -> factory_pb2.Batch:
    """Return a batch."""
    return factory_pb2.Batch(
        batch_id=str(found.batch_id),
        product_id=str(found.product_id),
        quantity=found.quantity,
        sandbox=found.sandbox,
        state=factory_pb2.BatchState.ValueType(found.state.value),
        issued_count=found.issued_count,
        lot=found.lot,
        manufactured_at=found.manufactured_at.isoformat() if found.manufactured_at else "",
        expires_at=found.expires_at.isoformat() if found.expires_at else "",
        metadata=found.metadata,
        merkle_root=found.merkle_root.hex() if found.merkle_root else "",
        anchor=_anchor(found.anchor),
        error=found.error,
        created_at=timestamp(found.created_at),
        updated_at=timestamp(found.updated_at),
        completed_at=timestamp(found.completed_at),
        estimated_completion_at=timestamp(found.estimated_completion_at),
        paused=found.paused,
        tree_size=found.tree_size,
        priority=batch_control_pb2.BatchPriority.ValueType(found.priority.value),
        chains=found.chains,
    )


def batch_page(page: Page[Batch], order: Order) -> factory_pb2.ListBatchesResponse:
    """Return a page of batches."""
    return factory_pb2.ListBatchesResponse(
        batches=[batch(item) for item in page.items],
        next_page_token=token(order, page.items[-1].batch_id) if page.more else "",
    )


def _anchor(found: BatchAnchor | None) -> factory_pb2.BatchAnchor | None:
    if found is None:
        return None
    return factory_pb2.BatchAnchor(tx_hash=found.tx_hash, block_number=found.block_number, chain_id=found.chain_id)


def _moment(request: factory_pb2.ListBatchesRequest, field: Literal["created_from", "created_to"]) -> datetime | None:
    return moment(field, getattr(request, field)) if request.HasField(field) else None


def _day(field: str, value: str) -> date | None:
    try:
        return date.fromisoformat(value) if value else None
    except ValueError as error:
        raise InvalidArgument.of(field, "give a day of the calendar, YYYY-MM-DD") from error
