"""Protobuf to model and back."""

import math
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import TypedDict
from uuid import UUID

from google.api import httpbody_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from services.common.rpc.call import Call
from services.scan import messages
from services.scan.language import Language, language_of
from services.scan.model import AnchorProofs, BatchFacts, Device, Notice, ProductFacts, Scan, TakenReport, UnitProof
from services.scan.operations.ledger import Consistency, LogFile
from services.scan.operations.pages import Page
from services.scan.page import advice_of
from services.scan.watched_files import PartHealth
from voketag.anchor.v1 import anchor_pb2
from voketag.factory.v1 import factory_pb2, unit_events_pb2
from voketag.scan.v1 import ledger_pb2, scan_pb2
from voketag_kernel.receipts import AnchorProof, ChainAnchor, Receipt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GRPC_LIBRARY = re.compile(r"grpc-[\w-]+/\S+(?: \([^)]*\))?")
_DRY = "dry"  # Anchor's name for the chain that is none


def device(call: Call, hints: scan_pb2.Device | None = None) -> Device:
    """Return what a call tells about the device; hints in the request come before hints in headers."""
    headers = call.metadata
    return Device(
        address=call.client_address,
        user_agent=_application(headers.get("user-agent", "")),
        languages=headers.get("accept-language", ""),
        encodings=headers.get("accept-encoding", ""),
        screen=(hints.screen_resolution if hints else "") or headers.get("x-screen-resolution", ""),
        time_zone=(hints.timezone if hints else "") or headers.get("x-timezone", ""),
    )


def language(call: Call) -> Language:
    """Return the language that the caller reads."""
    return language_of(call.metadata.get("accept-language", ""))


def scan_response(scan: Scan, reader: Language, signed: str) -> scan_pb2.ScanResponse:
    """Return the answer to a scan; `signed` is its statement, empty when none was asked for."""
    event, facts = scan.event, scan.facts
    return scan_pb2.ScanResponse(
        verification_id=str(event.verification_id),
        valid=event.verdict.valid,
        verdict=scan_pb2.Verdict.ValueType(event.verdict.value),
        risk_score=event.risk_score,
        risk_factors=[
            scan_pb2.RiskFactor(factor=factor.name, weight=factor.weight, detail=messages.reason_of(factor, reader))
            for factor in event.risk_factors
        ],
        product=_product(facts.product),
        batch=_batch(facts.batch),
        unit=scan_pb2.Unit(
            serial=facts.serial,
            state=scan_pb2.UnitState.ValueType(facts.state.value),
            state_reason=scan_pb2.UnitStateReason.ValueType(facts.state_reason),
        ),
        history=scan_pb2.History(
            total_scans=scan.count.total,
            recent_scans=scan.history.recent,
            unique_countries=scan.history.countries,
            unique_devices=scan.history.devices,
            first_scan_at=_timestamp(scan.count.first_scan_at),
        ),
        message=messages.message_of(scan, reader),
        country=event.country,
        scanned_at=_timestamp(event.scanned_at),
        degraded=event.degraded,
        code_genuine=True,
        advice=advice_of(event.verdict, reader),
        sandbox=facts.batch.sandbox,
        signed_verdict=signed,
    )


class ReportArguments(TypedDict):
    """What a report needs, as `Reports.report` names it."""

    code: str
    verification_id: UUID | None
    reason: str
    details: str
    device: Device
    request_id: UUID | None


def report(request: scan_pb2.ReportFraudRequest, call: Call) -> ReportArguments:
    """Return what a report says."""
    return ReportArguments(
        code=request.code,
        verification_id=UUID(request.verification_id) if request.verification_id else None,
        reason=request.reason,
        details=request.details,
        device=device(call, request.device),
        request_id=UUID(request.request_id) if request.request_id else None,
    )


def report_response(taken: TakenReport, reader: Language) -> scan_pb2.ReportFraudResponse:
    """Return the answer to a report."""
    return scan_pb2.ReportFraudResponse(
        report_id=str(taken.report_id),
        already_reported=taken.already_reported,
        message=messages.THANKS[reader],
    )


def jwks(text: str) -> httpbody_pb2.HttpBody:
    """Return a JWK set as a body."""
    return httpbody_pb2.HttpBody(content_type="application/jwk-set+json", data=text.encode())


def page(shown: Page, call: Call) -> httpbody_pb2.HttpBody:
    """Return a page as a body; the edge takes its HTTP status from a header (deploy/envoy/pages.py)."""
    if shown.status != HTTPStatus.OK:
        call.answer_metadata["x-page-status"] = str(int(shown.status))
        if shown.retry_after_seconds:
            call.answer_metadata.setdefault("retry-after", str(math.ceil(shown.retry_after_seconds)))
    return httpbody_pb2.HttpBody(content_type="text/html; charset=utf-8", data=shown.html.encode())


def log_file(file: LogFile, call: Call) -> httpbody_pb2.HttpBody:
    """Return a file of the ledger as a body, with how long it may be kept."""
    call.answer_metadata["cache-control"] = file.cache_control
    return httpbody_pb2.HttpBody(content_type=file.content_type, data=file.data)


def health(parts: Sequence[PartHealth]) -> scan_pb2.HealthResponse:
    """Return that the process is up, and how its parts stand."""
    return scan_pb2.HealthResponse(
        status="ok", parts=[scan_pb2.PartHealth(name=each.name, ok=each.ok, detail=each.detail) for each in parts]
    )


def consistency_proof(proof: Consistency) -> ledger_pb2.ConsistencyProof:
    """Return a consistency proof."""
    answer = ledger_pb2.ConsistencyProof(
        to=proof.size,
        from_root=proof.old_root.hex(),
        to_root=proof.root.hex(),
        hashes=[node.hex() for node in proof.path],
    )
    setattr(answer, "from", proof.old_size)
    return answer


def receipt(made: Receipt) -> httpbody_pb2.HttpBody:
    """Return a receipt as a body."""
    return httpbody_pb2.HttpBody(content_type="application/json", data=made.to_json().encode())


def note_unit_events(notices: Sequence[Notice]) -> unit_events_pb2.NoteUnitEventsRequest:
    """Return notices as Factory takes them."""
    return unit_events_pb2.NoteUnitEventsRequest(
        events=[
            unit_events_pb2.UnitEvent(
                event_id=str(notice.notice_id),
                kind=unit_events_pb2.UnitEventKind.ValueType(notice.kind.value),
                tenant_id=str(notice.tenant_id),
                unit_id=notice.unit_id,
                batch_id=str(notice.batch_id),
                occurred_at=_timestamp(notice.occurred_at),
                details=notice.details,
            )
            for notice in notices
        ]
    )


def unit_proof(proof: factory_pb2.UnitProof) -> UnitProof:
    """Return Factory's part of a receipt."""
    return UnitProof(
        batch_id=proof.batch_id,
        code=proof.code,
        serial=proof.serial,
        batch_facts=proof.batch_facts,
        salt=proof.salt,
        leaf_index=proof.leaf_index,
        tree_size=proof.tree_size,
        batch_root=proof.batch_root,
        inclusion_path=tuple(proof.inclusion_path),
    )


def anchor_proofs(anchor: anchor_pb2.Anchor) -> AnchorProofs:
    """Return Anchor's part of a receipt: what the chains have confirmed. The dry chain is none and stands nowhere."""
    real = [one for one in anchor.chains if one.chain != _DRY]
    confirmed = [
        ChainAnchor(one.chain, _anchor_proof(one.inclusion))
        for one in real
        if one.state == anchor_pb2.ANCHOR_STATE_CONFIRMED
    ]
    own = next((one.proof for one in confirmed if one.chain == anchor.chain), None)
    several = any(one.chain != anchor.chain for one in real)
    return AnchorProofs(own, tuple(confirmed) if several else ())


def _anchor_proof(inclusion: anchor_pb2.AnchorInclusion) -> AnchorProof:
    return AnchorProof(
        leaf_index=inclusion.leaf_index,
        tree_size=inclusion.tree_size,
        root=bytes.fromhex(inclusion.root),
        inclusion_path=tuple(bytes.fromhex(node) for node in inclusion.inclusion_path),
        chain_id=inclusion.chain_id,
        contract=inclusion.contract,
        tx_hash=inclusion.tx_hash,
        block_number=inclusion.block_number,
    )


def _application(user_agent: str) -> str:
    """Return what an application says of itself, without what gRPC's libraries append: that is only the transport."""
    return _GRPC_LIBRARY.sub("", user_agent).strip() if "grpc-" in user_agent else user_agent


@lru_cache(maxsize=10_000)
def _product(product: ProductFacts) -> scan_pb2.Product:
    return scan_pb2.Product(
        id=str(product.product_id),
        name=product.name,
        gtin=product.gtin,
        category=product.category,
        image_url=product.image_url,
    )


@lru_cache(maxsize=10_000)
def _batch(batch: BatchFacts) -> scan_pb2.Batch:
    return scan_pb2.Batch(
        id=str(batch.batch_id),
        lot=batch.lot,
        manufactured_at=_day(batch.manufactured_at),
        expires_at=_day(batch.expires_at),
    )


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _timestamp(moment: datetime) -> Timestamp:
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)
