"""The answer to a scan as pydantic models: the fields of `voketag.scan.v1.ScanResponse`."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from services.scan import messages
from services.scan.language import Language
from services.scan.model import Scan, UnitState
from services.scan.page import advice_of


class RiskFactor(BaseModel):
    """One observation that raised the score."""

    factor: str
    weight: int
    detail: str


class Product(BaseModel):
    """What the maker registered about the product."""

    id: str
    name: str
    gtin: str
    category: str
    image_url: str


class Batch(BaseModel):
    """What the maker registered about the batch."""

    id: str
    lot: str
    manufactured_at: str
    expires_at: str


class Unit(BaseModel):
    """What the maker registered about the unit."""

    serial: str
    state: str
    state_reason: int


class History(BaseModel):
    """Scans of the unit."""

    total_scans: str
    recent_scans: str
    unique_countries: int
    unique_devices: int
    first_scan_at: datetime


class ScanAnswer(BaseModel):
    """The verdict."""

    verification_id: str
    valid: bool
    verdict: str
    risk_score: int
    risk_factors: list[RiskFactor]
    product: Product
    batch: Batch
    unit: Unit
    history: History
    message: str
    country: str
    scanned_at: datetime
    degraded: bool
    code_genuine: bool
    advice: str
    sandbox: bool
    signed_verdict: str


def answer_of(scan: Scan, reader: Language) -> ScanAnswer:
    """Return the answer to a recorded scan."""
    event, facts = scan.event, scan.facts
    return ScanAnswer(
        verification_id=str(event.verification_id),
        valid=event.verdict.valid,
        verdict=f"VERDICT_{event.verdict.name}",
        risk_score=event.risk_score,
        risk_factors=[
            RiskFactor(factor=each.name, weight=each.weight, detail=messages.reason_of(each, reader))
            for each in event.risk_factors
        ],
        product=Product(
            id=str(facts.product.product_id),
            name=facts.product.name,
            gtin=facts.product.gtin,
            category=facts.product.category,
            image_url=facts.product.image_url,
        ),
        batch=Batch(
            id=str(facts.batch.batch_id),
            lot=facts.batch.lot,
            manufactured_at=_day(facts.batch.manufactured_at),
            expires_at=_day(facts.batch.expires_at),
        ),
        unit=Unit(
            serial=facts.serial, state=f"UNIT_STATE_{UnitState(facts.state).name}", state_reason=facts.state_reason
        ),
        history=History(
            total_scans=str(scan.count.total),
            recent_scans=str(scan.history.recent),
            unique_countries=scan.history.countries,
            unique_devices=scan.history.devices,
            first_scan_at=scan.count.first_scan_at,
        ),
        message=messages.message_of(scan, reader),
        country=event.country,
        scanned_at=event.scanned_at,
        degraded=event.degraded,
        code_genuine=True,
        advice=advice_of(event.verdict, reader),
        sandbox=facts.batch.sandbox,
        signed_verdict="",
    )


def _day(day: Any) -> str:
    return "" if day is None else str(day.isoformat())
