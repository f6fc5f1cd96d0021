"""The dataclasses say all that the contracts say."""

from dataclasses import fields
from datetime import UTC, date, datetime
from enum import StrEnum

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor

from voketag.factory.v1 import dead_letters_pb2, factory_pb2, imports_pb2, settings_pb2, statements_pb2, webhooks_pb2
from voketag.scan.v1 import history_pb2, scan_pb2
from voketag_sdk import _convert, models


@pytest.mark.parametrize(
    ("kind", "descriptor"),
    [
        (models.BatchState, factory_pb2.BatchState.DESCRIPTOR),
        (models.UnitState, factory_pb2.UnitState.DESCRIPTOR),
        (models.UnitState, scan_pb2.UnitState.DESCRIPTOR),
        (models.UnitStateReason, factory_pb2.UnitStateReason.DESCRIPTOR),
        (models.Verdict, scan_pb2.Verdict.DESCRIPTOR),
        (models.WebhookDeliveryState, webhooks_pb2.WebhookDeliveryState.DESCRIPTOR),
        (models.TagType, settings_pb2.TagType.DESCRIPTOR),
    ],
)
def test_enums_have_the_values_of_the_contracts(kind: type[StrEnum], descriptor: EnumDescriptor) -> None:
    names = {value.name for value in descriptor.values if value.number}
    prefix = descriptor.values[0].name.removesuffix("UNSPECIFIED")
    assert {prefix + value for value in kind} - {prefix + "UNKNOWN"} == names
    assert all(_convert.number_of(kind(n.removeprefix(prefix)), descriptor) for n in names)


@pytest.mark.parametrize(
    ("kind", "descriptor", "renamed"),
    [
        (models.Product, factory_pb2.Product.DESCRIPTOR, {"product_id": "id"}),
        (models.Batch, factory_pb2.Batch.DESCRIPTOR, {"batch_id": "id"}),
        (models.BatchStatement, statements_pb2.BatchStatement.DESCRIPTOR, {}),
        (models.UnitProof, factory_pb2.UnitProof.DESCRIPTOR, {}),
        (models.BatchAnchor, factory_pb2.BatchAnchor.DESCRIPTOR, {}),
        (models.Unit, factory_pb2.Unit.DESCRIPTOR, {"unit_id": "id"}),
        (models.ApiKey, factory_pb2.ApiKey.DESCRIPTOR, {"key_id": "id"}),
        (models.NewApiKey, factory_pb2.CreateApiKeyResponse.DESCRIPTOR, {}),
        (models.WebhookEndpoint, webhooks_pb2.WebhookEndpoint.DESCRIPTOR, {"endpoint_id": "id"}),
        (models.NewWebhookEndpoint, webhooks_pb2.WebhookEndpointSecret.DESCRIPTOR, {}),
        (models.WebhookDelivery, webhooks_pb2.WebhookDelivery.DESCRIPTOR, {"delivery_id": "id"}),
        (models.WebhookAttempt, webhooks_pb2.WebhookAttempt.DESCRIPTOR, {}),
        (models.DeadLetter, dead_letters_pb2.DeadLetter.DESCRIPTOR, {"dead_letter_id": "id"}),
        (models.ReplayedDeadLetters, dead_letters_pb2.ReplayDeadLettersResponse.DESCRIPTOR, {}),
        (models.TenantSettings, settings_pb2.TenantSettings.DESCRIPTOR, {}),
        (models.UnitStateJob, factory_pb2.UnitStateJob.DESCRIPTOR, {"job_id": "id"}),
        (models.ImportReport, imports_pb2.ImportReport.DESCRIPTOR, {"import_id": "id"}),
        (models.CsvFault, imports_pb2.CsvFault.DESCRIPTOR, {}),
        (models.ScanResult, scan_pb2.ScanResponse.DESCRIPTOR, {}),
        (models.RiskFactor, scan_pb2.RiskFactor.DESCRIPTOR, {}),
        (models.ScannedProduct, scan_pb2.Product.DESCRIPTOR, {}),
        (models.ScannedBatch, scan_pb2.Batch.DESCRIPTOR, {}),
        (models.ScannedUnit, scan_pb2.Unit.DESCRIPTOR, {}),
        (models.ScanHistory, scan_pb2.History.DESCRIPTOR, {}),
        (models.ScanRecord, history_pb2.ScanRecord.DESCRIPTOR, {}),
        (models.ScanTrend, history_pb2.ScanTrend.DESCRIPTOR, {}),
        (models.RiskyUnit, history_pb2.RiskyUnit.DESCRIPTOR, {}),
        (models.ScanSummary, history_pb2.ScanSummary.DESCRIPTOR, {}),
    ],
)
def test_no_field_of_a_contract_is_forgotten(kind: type, descriptor: Descriptor, renamed: dict[str, str]) -> None:
    assert [field.name for field in fields(kind)] == [renamed.get(f.name, f.name) for f in descriptor.fields]


def test_a_batch_becomes_plain_python_values() -> None:
    message = factory_pb2.Batch(
        batch_id="b",
        state=factory_pb2.BATCH_STATE_COMPLETED,
        manufactured_at="2026-02-28",
        metadata={"order": "7"},
        anchor=factory_pb2.BatchAnchor(tx_hash="0xab", block_number=9, chain_id=1),
    )
    message.created_at.FromJsonString("2026-03-01T10:00:00.25Z")
    batch = _convert.batch(message)
    assert batch.state is models.BatchState.COMPLETED
    assert batch.state.is_final
    assert batch.manufactured_at == date(2026, 2, 28)
    assert batch.expires_at is None
    assert batch.completed_at is None
    assert batch.metadata == {"order": "7"}
    assert batch.anchor == models.BatchAnchor(tx_hash="0xab", block_number=9, chain_id=1)
    assert batch.created_at == datetime(2026, 3, 1, 10, 0, 0, 250_000, UTC)


def test_a_scan_becomes_plain_python_values() -> None:
    result = _convert.scan_result(
        scan_pb2.ScanResponse(
            verdict=scan_pb2.VERDICT_HIGH_RISK,
            risk_factors=[scan_pb2.RiskFactor(factor="rapid_scans", weight=25, detail="5 in 10 s")],
            batch=scan_pb2.Batch(expires_at="2027-01-31"),
            unit=scan_pb2.Unit(serial="S1", state=scan_pb2.UNIT_STATE_ACTIVE),
            history=scan_pb2.History(total_scans=5),
        )
    )
    assert result.verdict is models.Verdict.HIGH_RISK
    assert result.risk_factors == (models.RiskFactor(factor="rapid_scans", weight=25, detail="5 in 10 s"),)
    assert result.batch.expires_at == date(2027, 1, 31)
    assert result.unit.state is models.UnitState.ACTIVE
    assert (result.history.total_scans, result.history.first_scan_at) == (5, None)


def test_states_from_the_future_are_unknown_and_not_final() -> None:
    message = factory_pb2.Batch()
    message.state = 99  # type: ignore[assignment]
    assert _convert.batch(message).state is models.BatchState.UNKNOWN
    assert not models.BatchState.UNKNOWN.is_final


def test_a_new_key_keeps_its_secret_out_of_logs() -> None:
    key = _convert.api_key(factory_pb2.ApiKey(key_id="k"))
    assert "hush" not in repr(models.NewApiKey(api_key=key, secret="hush"))
