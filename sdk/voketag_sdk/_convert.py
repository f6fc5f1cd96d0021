"""Messages of the contracts to the dataclasses of `models`. No other module reads a message's fields."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from voketag.factory.v1 import (
    batch_control_pb2,
    dead_letters_pb2,
    factory_pb2,
    imports_pb2,
    settings_pb2,
    statements_pb2,
    webhooks_pb2,
)
from voketag.scan.v1 import history_pb2, scan_pb2
from voketag_sdk import models

EnumT = TypeVar("EnumT", bound=StrEnum)


def product(message: factory_pb2.Product) -> models.Product:
    """Convert a product."""
    return models.Product(
        id=message.product_id,
        sku=message.sku,
        name=message.name,
        gtin=message.gtin,
        category=message.category,
        description=message.description,
        markets=tuple(message.markets),
        image_url=message.image_url,
        metadata=dict(message.metadata),
        archived=message.archived,
        created_at=_moment(message.created_at),
        updated_at=_moment(message.updated_at),
    )


def batch(message: factory_pb2.Batch) -> models.Batch:
    """Convert a batch."""
    return models.Batch(
        id=message.batch_id,
        product_id=message.product_id,
        quantity=message.quantity,
        sandbox=message.sandbox,
        priority=_enum(models.BatchPriority, batch_control_pb2.BatchPriority.DESCRIPTOR, message.priority),
        chains=tuple(message.chains),
        paused=message.paused,
        tree_size=message.tree_size,
        estimated_completion_at=(
            _moment(message.estimated_completion_at) if message.HasField("estimated_completion_at") else None
        ),
        state=_enum(models.BatchState, factory_pb2.BatchState.DESCRIPTOR, message.state),
        issued_count=message.issued_count,
        lot=message.lot,
        manufactured_at=_day(message.manufactured_at),
        expires_at=_day(message.expires_at),
        metadata=dict(message.metadata),
        merkle_root=message.merkle_root,
        anchor=_batch_anchor(message.anchor) if message.HasField("anchor") else None,
        error=message.error,
        created_at=_moment(message.created_at),
        updated_at=_moment(message.updated_at),
        completed_at=_moment(message.completed_at) if message.HasField("completed_at") else None,
    )


def _batch_anchor(message: factory_pb2.BatchAnchor) -> models.BatchAnchor:
    return models.BatchAnchor(tx_hash=message.tx_hash, block_number=message.block_number, chain_id=message.chain_id)


def batch_statement(message: statements_pb2.BatchStatement) -> models.BatchStatement:
    """Convert a statement about a batch."""
    return models.BatchStatement(
        jws=message.jws,
        ordered=message.ordered,
        issued=message.issued,
        voided=message.voided,
        merkle_root=message.merkle_root,
        tree_size=message.tree_size,
    )


def unit_proof(message: factory_pb2.UnitProof) -> models.UnitProof:
    """Convert a unit's proof."""
    return models.UnitProof(
        batch_id=message.batch_id,
        code=message.code,
        serial=message.serial,
        batch_facts=message.batch_facts,
        salt=message.salt,
        leaf_index=message.leaf_index,
        tree_size=message.tree_size,
        batch_root=message.batch_root,
        inclusion_path=tuple(message.inclusion_path),
    )


def unit(message: factory_pb2.Unit) -> models.Unit:
    """Convert a unit."""
    return models.Unit(
        index=message.index,
        id=message.unit_id,
        serial=message.serial,
        code=message.code,
        url=message.url,
        state=_enum(models.UnitState, factory_pb2.UnitState.DESCRIPTOR, message.state),
        state_reason=_enum(models.UnitStateReason, factory_pb2.UnitStateReason.DESCRIPTOR, message.state_reason),
        batch_id=message.batch_id,
        state_changed_at=_moment(message.state_changed_at) if message.HasField("state_changed_at") else None,
        attributes=dict(message.attributes),
    )


def unit_state_job(message: factory_pb2.UnitStateJob) -> models.UnitStateJob:
    """Convert a job."""
    return models.UnitStateJob(
        id=message.job_id,
        state=_enum(models.JobState, factory_pb2.JobState.DESCRIPTOR, message.state),
        unit_state=_enum(models.UnitState, factory_pb2.UnitState.DESCRIPTOR, message.unit_state),
        reason=_enum(models.UnitStateReason, factory_pb2.UnitStateReason.DESCRIPTOR, message.reason),
        total=message.total,
        done=message.done,
        changed=message.changed,
        missing=tuple(message.missing),
        missing_count=message.missing_count,
        error=message.error,
        created_by=message.created_by,
        created_at=_moment(message.created_at),
        finished_at=_moment(message.finished_at) if message.HasField("finished_at") else None,
        batch_id=message.batch_id,
    )


def import_report(message: imports_pb2.ImportReport) -> models.ImportReport:
    """Convert the report of a refused file."""
    return models.ImportReport(
        id=message.import_id,
        rows=message.rows,
        total=message.total,
        faults=tuple(
            models.CsvFault(
                line=fault.line,
                column=fault.column,
                column_name=fault.column_name,
                description=fault.description,
            )
            for fault in message.faults
        ),
        created_at=_moment(message.created_at),
    )


def api_key(message: factory_pb2.ApiKey) -> models.ApiKey:
    """Convert an API key."""
    return models.ApiKey(
        id=message.key_id,
        name=message.name,
        scopes=tuple(message.scopes),
        created_at=_moment(message.created_at),
        expires_at=_moment(message.expires_at) if message.HasField("expires_at") else None,
        last_used_at=_moment(message.last_used_at) if message.HasField("last_used_at") else None,
        revoked_at=_moment(message.revoked_at) if message.HasField("revoked_at") else None,
        allowed_sources=tuple(message.allowed_sources),
    )


def scan_result(message: scan_pb2.ScanResponse) -> models.ScanResult:
    """Convert the answer to a scan."""
    return models.ScanResult(
        verification_id=message.verification_id,
        valid=message.valid,
        verdict=_enum(models.Verdict, scan_pb2.Verdict.DESCRIPTOR, message.verdict),
        risk_score=message.risk_score,
        risk_factors=tuple(
            models.RiskFactor(factor=factor.factor, weight=factor.weight, detail=factor.detail)
            for factor in message.risk_factors
        ),
        product=models.ScannedProduct(
            id=message.product.id,
            name=message.product.name,
            gtin=message.product.gtin,
            category=message.product.category,
            image_url=message.product.image_url,
        ),
        batch=models.ScannedBatch(
            id=message.batch.id,
            lot=message.batch.lot,
            manufactured_at=_day(message.batch.manufactured_at),
            expires_at=_day(message.batch.expires_at),
        ),
        unit=models.ScannedUnit(
            serial=message.unit.serial,
            state=_enum(models.UnitState, scan_pb2.UnitState.DESCRIPTOR, message.unit.state),
            state_reason=_enum(models.UnitStateReason, scan_pb2.UnitStateReason.DESCRIPTOR, message.unit.state_reason),
        ),
        history=_history(message.history),
        message=message.message,
        country=message.country,
        scanned_at=_moment(message.scanned_at),
        degraded=message.degraded,
        code_genuine=message.code_genuine,
        advice=message.advice,
        sandbox=message.sandbox,
        signed_verdict=message.signed_verdict,
    )


def scan_record(message: history_pb2.ScanRecord) -> models.ScanRecord:
    """Convert a recorded scan."""
    return models.ScanRecord(
        verification_id=message.verification_id,
        unit_id=message.unit_id,
        batch_id=message.batch_id,
        product_id=message.product_id,
        scanned_at=_moment(message.scanned_at),
        verdict=_enum(models.Verdict, scan_pb2.Verdict.DESCRIPTOR, message.verdict),
        risk_score=message.risk_score,
        risk_factors=tuple(message.risk_factors),
        country=message.country,
        duplicate=message.duplicate,
        degraded=message.degraded,
    )


def scan_summary(message: history_pb2.ScanSummary) -> models.ScanSummary:
    """Convert a summary of scans."""
    return models.ScanSummary(
        scans=message.scans,
        duplicates=message.duplicates,
        verdicts={
            _enum(models.Verdict, scan_pb2.Verdict.DESCRIPTOR, each.verdict): each.scans for each in message.verdicts
        },
        countries={each.country: each.scans for each in message.countries},
        trend=tuple(
            models.ScanTrend(
                starts_at=_moment(each.starts_at),
                scans=each.scans,
                duplicates=each.duplicates,
                suspicious=each.suspicious,
            )
            for each in message.trend
        ),
        top_units=tuple(
            models.RiskyUnit(
                unit_id=each.unit_id,
                batch_id=each.batch_id,
                risk_score=each.risk_score,
                scans=each.scans,
                last_scan_at=_moment(each.last_scan_at),
            )
            for each in message.top_units
        ),
        counted_until=_moment(message.counted_until) if message.HasField("counted_until") else None,
    )


def settings(message: settings_pb2.TenantSettings) -> models.TenantSettings:
    """Return a version of a tenant's settings."""
    return models.TenantSettings(
        version=message.version,
        verification_base_url=message.verification_base_url,
        warning_above=message.warning_above,
        high_risk_above=message.high_risk_above,
        disabled_factors=tuple(message.disabled_factors),
        languages=tuple(message.languages),
        sandbox=message.sandbox,
        updated_at=_moment(message.updated_at),
        updated_by=message.updated_by,
        default_webhook_events=tuple(message.default_webhook_events),
        default_tag_type=_enum(models.TagType, settings_pb2.TagType.DESCRIPTOR, message.default_tag_type),
    )


def webhook_endpoint(message: webhooks_pb2.WebhookEndpoint) -> models.WebhookEndpoint:
    """Convert an endpoint."""
    return models.WebhookEndpoint(
        id=message.endpoint_id,
        url=message.url,
        events=tuple(message.events),
        description=message.description,
        disabled=message.disabled,
        disabled_reason=message.disabled_reason,
        created_at=_moment(message.created_at),
        updated_at=_moment(message.updated_at),
        previous_secret_until=(
            _moment(message.previous_secret_until) if message.HasField("previous_secret_until") else None
        ),
    )


def webhook_delivery(message: webhooks_pb2.WebhookDelivery) -> models.WebhookDelivery:
    """Convert a delivery."""
    return models.WebhookDelivery(
        id=message.delivery_id,
        endpoint_id=message.endpoint_id,
        event_id=message.event_id,
        event=message.event,
        state=_enum(models.WebhookDeliveryState, webhooks_pb2.WebhookDeliveryState.DESCRIPTOR, message.state),
        attempts=message.attempts,
        next_attempt_at=_moment(message.next_attempt_at) if message.HasField("next_attempt_at") else None,
        log=tuple(
            models.WebhookAttempt(
                attempted_at=_moment(each.attempted_at),
                status=each.status,
                latency_ms=each.latency_ms,
                response_excerpt=each.response_excerpt,
                error=each.error,
                url=each.url,
            )
            for each in message.log
        ),
        payload=message.payload,
        created_at=_moment(message.created_at),
    )


def dead_letter(message: dead_letters_pb2.DeadLetter) -> models.DeadLetter:
    """Convert a dead letter."""
    return models.DeadLetter(
        id=message.dead_letter_id,
        kind=message.kind,
        subject=message.subject,
        cause=message.cause,
        payload=message.payload,
        created_at=_moment(message.created_at),
        resolved_at=_moment(message.resolved_at) if message.HasField("resolved_at") else None,
        resolution=message.resolution,
        resolved_by=message.resolved_by,
        reason=message.reason,
    )


def _history(message: scan_pb2.History) -> models.ScanHistory:
    return models.ScanHistory(
        total_scans=message.total_scans,
        recent_scans=message.recent_scans,
        unique_countries=message.unique_countries,
        unique_devices=message.unique_devices,
        first_scan_at=_moment(message.first_scan_at) if message.HasField("first_scan_at") else None,
    )


def number_of(value: StrEnum, descriptor: EnumDescriptor) -> Any:
    """Return the contract's number of a value; Any, because the stubs give every enum a number type of its own."""
    if value == "UNKNOWN":
        return 0
    return descriptor.values_by_name[_prefix(descriptor) + value].number


def _enum(kind: type[EnumT], descriptor: EnumDescriptor, number: int) -> EnumT:
    value = descriptor.values_by_number.get(number)
    return kind(value.name.removeprefix(_prefix(descriptor)) if value else "UNKNOWN")


def _prefix(descriptor: EnumDescriptor) -> str:
    """Return what the names of an enum's values begin with; its zero value is always ..._UNSPECIFIED."""
    return descriptor.values[0].name.removesuffix("UNSPECIFIED")


def _moment(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
