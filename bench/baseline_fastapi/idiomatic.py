"""`python -m bench.baseline_fastapi.idiomatic`: the endpoint as a good team writes it first.

A session of the ORM for each request, one query with joined relations, one pipeline to Valkey, one transaction for the
event and the unit's counter. The pool does not overflow: connections beyond it would be made and dropped all the time.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from redis.asyncio import Redis
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from bench.baseline_fastapi import tables
from bench.baseline_fastapi.answers import ScanAnswer, answer_of
from bench.baseline_fastapi.serving import device_of, serve
from services.common import unit_keys
from services.common.addresses import network_of
from services.common.ids import uuid7
from services.scan import risk
from services.scan.fingerprint import Fingerprints
from services.scan.language import language_of
from services.scan.model import (
    BatchFacts,
    Device,
    ProductFacts,
    RecentHistory,
    Scan,
    ScanCount,
    ScanEvent,
    TenantPolicy,
    UnitFacts,
    UnitState,
    verdict_of,
)
from services.scan.settings import Settings
from voketag_kernel.codes import MalformedCode

settings = Settings()
keys = unit_keys.load(settings.unit_keys)
fingerprints = Fingerprints.load(settings.fingerprint_key)
engine = create_async_engine(
    settings.database_url.replace("postgresql://", "postgresql+asyncpg://"), pool_size=32, max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
redis = Redis.from_url(settings.hot_state_url)


async def session() -> AsyncIterator[AsyncSession]:
    """Give each request its session."""
    async with sessions() as opened:
        yield opened


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Close the pools at the end."""
    yield
    await engine.dispose()
    await redis.aclose()


app = FastAPI(lifespan=lifespan)


@app.get("/v1/scan/{code}")
async def scan(code: str, request: Request, db: Annotated[AsyncSession, Depends(session)]) -> ScanAnswer:
    """Give the verdict on a code, and record the scan before it is given."""
    try:
        unit_id = keys.open(code)
    except MalformedCode as error:
        raise HTTPException(400, "malformed code") from error
    if unit_id is None:
        raise HTTPException(404, "unknown code")
    device = device_of(request)
    now = datetime.now(UTC)
    device_hash = fingerprints.device(device, now.date())
    query = (
        select(tables.Unit, func.coalesce(tables.UnitScans.total_scans, 0))
        .outerjoin(tables.UnitScans, tables.UnitScans.unit_id == tables.Unit.unit_id)
        .where(tables.Unit.unit_id == unit_id)
    )
    found = (await db.execute(query)).one_or_none()
    if found is None:
        raise HTTPException(404, "unknown code")
    unit, total = found
    if unit.batch.state == "CANCELLED" or unit.batch.issued_count != unit.batch.quantity:
        raise HTTPException(404, "unknown code")
    history = await _count(unit_id, device, device_hash, total)
    facts = _facts(unit)
    event = _event(facts, history, device, device_hash, now)
    db.add(_row(event))
    counter = insert(tables.UnitScans).values(unit_id=unit_id, first_scan_at=now, last_scan_at=now, total_scans=1)
    counter = counter.on_conflict_do_update(
        index_elements=[tables.UnitScans.unit_id],
        set_={
            "last_scan_at": func.greatest(tables.UnitScans.last_scan_at, counter.excluded.last_scan_at),
            "total_scans": tables.UnitScans.total_scans + 1,
        },
    )
    returned = counter.returning(tables.UnitScans.total_scans, tables.UnitScans.first_scan_at)
    counted = (await db.execute(returned)).one()
    await db.commit()
    made = Scan(event=event, facts=facts, history=history, count=ScanCount(counted.total_scans, counted.first_scan_at))
    return answer_of(made, language_of(request.headers.get("accept-language", "")))


async def _count(unit_id: int, device: Device, device_hash: bytes, total: int) -> RecentHistory:
    """Count the caller and the unit in one pipeline, and hold the caller to its limit."""
    now = time.time()
    limit, window, begun = f"f:limit:{network_of(device.address)}", f"f:scans:{unit_id}", f"f:sessions:{unit_id}"
    async with redis.pipeline(transaction=False) as pipe:
        pipe.incr(limit).expire(limit, 60, nx=True)
        pipe.zadd(window, {str(total + 1): now}).zremrangebyscore(window, "-inf", now - 60).zcard(window)
        pipe.expire(window, 60)
        pipe.zadd(begun, {device_hash: now}, nx=True).zremrangebyscore(begun, "-inf", now - 86_400)
        pipe.zcount(begun, now - 30, "+inf").zcount(begun, now - 60, "+inf").zcard(begun).expire(begun, 86_400)
        calls, _, _, _, recent, _, _, _, rapid, sessions_of_minute, devices, _ = await pipe.execute()
    if settings.scans_per_minute and calls > settings.scans_per_minute:
        raise HTTPException(429, "too many checks from here", {"retry-after": "60"})
    return RecentHistory(
        total=total + 1, recent=recent, rapid_sessions=rapid, recent_sessions=sessions_of_minute, devices=devices
    )


def _facts(unit: tables.Unit) -> UnitFacts:
    batch, product, policy = unit.batch, unit.batch.product, unit.batch.policy
    return UnitFacts(
        unit_id=unit.unit_id,
        tenant_id=batch.tenant_id,
        serial=unit.serial,
        state=UnitState(unit.state),
        state_reason=unit.state_reason,
        batch=BatchFacts(batch.batch_id, batch.lot, batch.manufactured_at, batch.expires_at, batch.sandbox),
        product=ProductFacts(
            product.product_id,
            product.name,
            product.gtin,
            product.category,
            product.image_url,
            frozenset(product.markets),
        ),
        policy=TenantPolicy(
            policy.warning_above, policy.high_risk_above, frozenset(policy.disabled_factors), tuple(policy.languages)
        ),
        known_scans=0,
    )


def _event(facts: UnitFacts, history: RecentHistory, device: Device, device_hash: bytes, now: datetime) -> ScanEvent:
    seen = risk.Observation(
        history=history, user_agent=device.user_agent, markets=facts.product.markets, state=facts.state
    )
    factors = risk.factors_of(seen, facts.policy.disabled_factors)
    score = risk.score_of(factors)
    verdict = verdict_of(
        state=facts.state, expires_at=facts.batch.expires_at, today=now.date(), score=score, policy=facts.policy
    )
    return ScanEvent(
        verification_id=uuid7(),
        unit_id=facts.unit_id,
        batch_id=facts.batch.batch_id,
        scanned_at=now,
        verdict=verdict,
        risk_score=score,
        risk_factors=factors,
        country="",
        device_hash=device_hash,
        address_hash=fingerprints.address(device.address, now.date()),
        degraded=False,
        tenant_id=facts.tenant_id,
        product_id=facts.product.product_id,
        cell="",
        duplicate=history.total > 1,
    )


def _row(event: ScanEvent) -> tables.ScanEvent:
    return tables.ScanEvent(
        verification_id=event.verification_id,
        scanned_at=event.scanned_at,
        unit_id=event.unit_id,
        batch_id=event.batch_id,
        verdict=event.verdict.value,
        risk_score=event.risk_score,
        risk_factors=[factor.name for factor in event.risk_factors],
        country=event.country,
        device_hash=event.device_hash,
        address_hash=event.address_hash,
        degraded=event.degraded,
        tenant_id=event.tenant_id,
        product_id=event.product_id,
        cell=event.cell,
        duplicate=event.duplicate,
    )


if __name__ == "__main__":
    serve(app, settings)
