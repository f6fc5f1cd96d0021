"""Facts about units, read from the registry's tables (Factory writes them) with the unit's counter beside; and of API
keys what recognises them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.scan.model import BatchFacts, KeyFacts, ProductFacts, TenantPolicy, UnitFacts, UnitState
from services.scan.storage.connection import HeldConnection

# Units of a batch that is not wholly issued, or that was cancelled, were never issued as far as anybody can see.
_FACTS = """
SELECT unit.unit_id, unit.serial, unit.state, unit.state_reason, coalesce(counter.total_scans, 0) AS known_scans,
       batch.batch_id, batch.tenant_id,
       batch.lot, batch.manufactured_at, batch.expires_at, batch.sandbox,
       product.product_id, product.name, product.gtin, product.category, product.image_url, product.markets,
       policy.warning_above, policy.high_risk_above, policy.disabled_factors, policy.languages
FROM factory.units AS unit
JOIN factory.batches AS batch ON batch.batch_id = unit.batch_id
JOIN factory.products AS product ON product.product_id = batch.product_id
JOIN factory.tenant_settings AS policy ON policy.tenant_id = batch.tenant_id
LEFT JOIN scan.unit_scans AS counter ON counter.unit_id = unit.unit_id
WHERE unit.unit_id = ANY($1::bigint[]) AND batch.state <> 'CANCELLED' AND batch.issued_count = batch.quantity
"""
_OF_UNIT = 7
"""The first columns, which differ from unit to unit, or say which of the others they share."""

_KEYS = """
SELECT key_id, secret_hash, expires_at FROM factory.api_keys WHERE key_id = ANY($1::text[]) AND revoked_at IS NULL
"""


async def facts_of(connection: HeldConnection, unit_ids: Sequence[int]) -> dict[int, UnitFacts]:
    """Return the facts of the units that exist, by id."""
    rows = await connection.fetch(_FACTS, unit_ids)
    shared: dict[UUID, tuple[BatchFacts, ProductFacts, TenantPolicy]] = {}  # units of one batch come together
    facts = {}
    for row in rows:
        unit_id, serial, state, state_reason, known_scans, batch_id, tenant_id = row[:_OF_UNIT]
        of_batch = shared.get(batch_id)
        if of_batch is None:
            of_batch = shared[batch_id] = _of_batch(row)
        batch, product, policy = of_batch
        facts[unit_id] = UnitFacts(
            unit_id=unit_id,
            tenant_id=tenant_id,
            serial=serial,
            state=UnitState(state),
            state_reason=state_reason,
            batch=batch,
            product=product,
            policy=policy,
            known_scans=known_scans,
        )
    return facts


def _of_batch(row: Any) -> tuple[BatchFacts, ProductFacts, TenantPolicy]:
    """Return what all units of a row's batch share."""
    return (
        BatchFacts(
            batch_id=row["batch_id"],
            lot=row["lot"],
            manufactured_at=row["manufactured_at"],
            expires_at=row["expires_at"],
            sandbox=row["sandbox"],
        ),
        ProductFacts(
            product_id=row["product_id"],
            name=row["name"],
            gtin=row["gtin"],
            category=row["category"],
            image_url=row["image_url"],
            markets=frozenset(row["markets"]),
        ),
        TenantPolicy(
            warning_above=row["warning_above"],
            high_risk_above=row["high_risk_above"],
            disabled_factors=frozenset(row["disabled_factors"]),
            languages=tuple(row["languages"]),
        ),
    )


async def keys_of(connection: HeldConnection, key_ids: Sequence[str]) -> dict[str, KeyFacts]:
    """Return what recognises API keys, by id; revoked ones are not there."""
    rows = await connection.fetch(_KEYS, key_ids)
    return {row["key_id"]: KeyFacts(secret_hash=row["secret_hash"], expires_at=row["expires_at"]) for row in rows}


async def ping(connection: HeldConnection) -> None:
    """Ask PostgreSQL for a sign of life; Unavailable without one."""
    await connection.fetch("SELECT 1")


async def time_of(connection: HeldConnection) -> datetime:
    """Return PostgreSQL's time, in UTC; Unavailable when it is away."""
    [[at]] = await connection.fetch("SELECT clock_timestamp()")
    moment: datetime = at
    return moment
