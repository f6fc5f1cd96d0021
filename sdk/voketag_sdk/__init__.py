"""VokeTag for ERPs and auditors.

    with voketag_sdk.Client("https://api.example.com", api_key=key) as voketag:
        product = voketag.products.create(sku="AURORA-01", name="Aurora serum")
        batch = voketag.batches.create(product.id, quantity=10_000)
        batch = voketag.batches.wait(batch.id, progress=print)

Names are imported when they are first used, so that checking a receipt needs no gRPC.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from voketag_sdk._version import __version__

if TYPE_CHECKING:
    from voketag_sdk import errors, webhooks
    from voketag_sdk._items import AsyncItems
    from voketag_sdk._sync import Items
    from voketag_sdk.aio import AsyncClient
    from voketag_sdk.client import Client
    from voketag_sdk.errors import VokeTagError
    from voketag_sdk.models import (
        ApiKey,
        Batch,
        BatchAnchor,
        BatchPriority,
        BatchState,
        BatchStatement,
        CsvFault,
        DeadLetter,
        ExportedUnit,
        ImportReport,
        JobState,
        NewApiKey,
        NewWebhookEndpoint,
        Product,
        ReplayedDeadLetters,
        RiskFactor,
        RiskyUnit,
        ScanHistory,
        ScannedBatch,
        ScannedProduct,
        ScannedUnit,
        ScanRecord,
        ScanResult,
        ScanSummary,
        ScanTrend,
        TagType,
        TenantSettings,
        Unit,
        UnitProof,
        UnitState,
        UnitStateJob,
        UnitStateReason,
        Verdict,
        WebhookAttempt,
        WebhookDelivery,
        WebhookDeliveryState,
        WebhookEndpoint,
    )
    from voketag_sdk.receipts import ChainEvidence, Receipt, VerifiedReceipt, parse_receipt, verify_receipt
    from voketag_sdk.retry import RetryPolicy
    from voketag_sdk.statements import VerifiedStatement, verify_statement, verify_unit_proof
    from voketag_sdk.webhooks import WebhookEvent

__all__ = [
    "ApiKey",
    "AsyncClient",
    "AsyncItems",
    "Batch",
    "BatchAnchor",
    "BatchPriority",
    "BatchState",
    "BatchStatement",
    "ChainEvidence",
    "Client",
    "CsvFault",
    "DeadLetter",
    "ExportedUnit",
    "ImportReport",
    "Items",
    "JobState",
    "NewApiKey",
    "NewWebhookEndpoint",
    "Product",
    "Receipt",
    "ReplayedDeadLetters",
    "RetryPolicy",
    "RiskFactor",
    "RiskyUnit",
    "ScanHistory",
    "ScanRecord",
    "ScanResult",
    "ScanSummary",
    "ScanTrend",
    "ScannedBatch",
    "ScannedProduct",
    "ScannedUnit",
    "TagType",
    "TenantSettings",
    "Unit",
    "UnitProof",
    "UnitState",
    "UnitStateJob",
    "UnitStateReason",
    "Verdict",
    "VerifiedReceipt",
    "VerifiedStatement",
    "VokeTagError",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookDeliveryState",
    "WebhookEndpoint",
    "WebhookEvent",
    "__version__",
    "errors",
    "parse_receipt",
    "verify_receipt",
    "verify_statement",
    "verify_unit_proof",
    "webhooks",
]

_HOMES = {
    "AsyncClient": "aio",
    "AsyncItems": "_items",
    "ChainEvidence": "receipts",
    "Client": "client",
    "Items": "_sync",
    "Receipt": "receipts",
    "RetryPolicy": "retry",
    "VerifiedReceipt": "receipts",
    "VerifiedStatement": "statements",
    "VokeTagError": "errors",
    "WebhookEvent": "webhooks",
    "parse_receipt": "receipts",
    "verify_receipt": "receipts",
    "verify_statement": "statements",
    "verify_unit_proof": "statements",
}
"""The module of every exported name that is not one of `models`."""


_MODULES = {"errors", "webhooks"}


def __getattr__(name: str) -> Any:
    """Import an exported name when it is first asked for (PEP 562)."""
    if name in _MODULES:
        return import_module(f"voketag_sdk.{name}")
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"voketag_sdk.{_HOMES.get(name, 'models')}"), name)
    return value


def __dir__() -> list[str]:
    """List the exported names."""
    return sorted(__all__)
