"""SQL on units, once they are issued. Writing them in bulk is in `issuing.py`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update

from services.common.database import Transaction
from services.factory.model.units import StoredUnit, UnitState, UnitStateReason
from services.factory.tables import batches, units


async def units_between(tx: Transaction, first_unit_id: int, end_unit_id: int) -> Sequence[StoredUnit]:
    """Return the units of first_unit_id <= unit_id < end_unit_id. Whoever asks has seen that the tenant owns them."""
    query = select(units).where(units.c.unit_id >= first_unit_id, units.c.unit_id < end_unit_id)
    return [_unit(row) for row in await tx.connection.execute(query.order_by(units.c.unit_id))]


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
        .values(state=unit.state.value, state_reason=unit.state_reason.value)
    )


def _unit(row: Row[Any]) -> StoredUnit:
    return StoredUnit(
        unit_id=row.unit_id,
        serial=row.serial,
        state=UnitState(row.state),
        state_reason=UnitStateReason(row.state_reason),
    )
