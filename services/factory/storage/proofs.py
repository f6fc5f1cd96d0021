"""What a proof is made of, apart from tiles."""

from dataclasses import dataclass

from sqlalchemy import select

from services.common.database import Transaction
from services.factory.model.batches import Batch
from services.factory.storage.batches import to_batch
from services.factory.tables import batches, units


@dataclass(frozen=True, slots=True)
class UnitWithBatch:
    """A unit's serial, and its batch."""

    serial: str
    batch: Batch


async def unit_with_batch(tx: Transaction, unit_id: int) -> UnitWithBatch | None:
    """Return a unit of any tenant with its batch; None when there is none of that id."""
    found = await tx.connection.execute(
        select(units.c.serial, batches)
        .join_from(units, batches, units.c.batch_id == batches.c.batch_id)
        .where(units.c.unit_id == unit_id),
    )
    row = found.first()
    return None if row is None else UnitWithBatch(serial=row.serial, batch=to_batch(row))
