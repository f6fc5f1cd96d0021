"""SQL on units, once they are issued. Writing them in bulk is in `issuing.py`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update

from services.common.database import Transaction
from services.factory.model.units import StoredUnit, UnitState, UnitStateReason
from services.factory.tables import batches, units

_SERIALS_AND_STATES = """
SELECT array_agg(serial ORDER BY unit_id), array_agg(state ORDER BY unit_id)
FROM factory.units WHERE unit_id >= $1 AND unit_id < $2
"""


async def units_between(tx: Transaction, first_unit_id: int, end_unit_id: int) -> Sequence[StoredUnit]:
    """Return the units of first_unit_id <= unit_id < end_unit_id. Whoever asks has seen that the tenant owns them."""
    query = select(units).where(units.c.unit_id >= first_unit_id, units.c.unit_id < end_unit_id)
    return [_unit(row) for row in await tx.connection.execute(query.order_by(units.c.unit_id))]


async def serials_and_states(
    tx: Transaction, first_unit_id: int, end_unit_id: int
) -> tuple[Sequence[str], Sequence[int]]:
    """Return the serials and the states of the units of first_unit_id <= unit_id < end_unit_id, in order.

    By asyncpg itself, as two arrays: for an export of a million, rows as objects would take most of the time.
    """
    connection = (await tx.connection.get_raw_connection()).driver_connection
    assert connection is not None  # noqa: S101 - it is in use
    found = await connection.fetchrow(_SERIALS_AND_STATES, first_unit_id, end_unit_id)
    return found[0] or (), found[1] or ()


async def batch_of(tx: Transaction, tenant_id: UUID, unit_id: int) -> UUID | None:
    """Return the batch of a unit of the tenant."""
    query = (
        select(units.c.batch_id)
        .join(batches, batches.c.batch_id == units.c.batch_id)
        .where(units.c.unit_id == unit_id, batches.c.tenant_id == tenant_id)
    )
    return (await tx.connection.execute(query)).scalar_one_or_none()


async def count_blocked(tx: Transaction, first_unit_id: int, end_unit_id: int) -> int:
    """Return how many units of first_unit_id <= unit_id < end_unit_id are blocked."""
    query = select(func.count()).where(
        units.c.unit_id >= first_unit_id, units.c.unit_id < end_unit_id, units.c.state == UnitState.BLOCKED.value
    )
    return (await tx.connection.execute(query)).scalar_one()


async def lock_unit(tx: Transaction, tenant_id: UUID, unit_id: int) -> tuple[StoredUnit, UUID] | None:
    """Return a unit of the tenant with its batch's id, and keep other writers out until the transaction ends."""
    query = (
        select(units)
        .join(batches, batches.c.batch_id == units.c.batch_id)
        .where(units.c.unit_id == unit_id, batches.c.tenant_id == tenant_id)
        .with_for_update(of=units)
    )
    row = (await tx.connection.execute(query)).one_or_none()
    return None if row is None else (_unit(row), row.batch_id)


async def set_unit_state(tx: Transaction, unit: StoredUnit) -> None:
    """Write a unit's state and the reason for it. Whoever asks holds its lock."""
    await tx.connection.execute(
        update(units)
        .where(units.c.unit_id == unit.unit_id)
        .values(state=unit.state.value, state_reason=unit.state_reason.value, state_changed_at=unit.state_changed_at)
    )


def _unit(row: Row[Any]) -> StoredUnit:
    return StoredUnit(
        unit_id=row.unit_id,
        serial=row.serial,
        state=UnitState(row.state),
        state_reason=UnitStateReason(row.state_reason),
        state_changed_at=row.state_changed_at,
    )
