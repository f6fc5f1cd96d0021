"""SQL on signing keys: the ids and the next free numbers. The secrets are files and never come here."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.common.database import Transaction
from services.factory.model.batches import UnitRange
from services.factory.tables import signing_keys


async def add_missing_keys(tx: Transaction, key_ids: Iterable[int], *, now: datetime) -> None:
    """Add the keys that are not there; those that are keep their numbers."""
    rows = [{"key_id": key_id, "created_at": now} for key_id in sorted(key_ids)]
    await tx.connection.execute(insert(signing_keys).values(rows).on_conflict_do_nothing())


async def next_unit_ids(tx: Transaction) -> list[int]:
    """Return the id that each key's next unit will have."""
    found = await tx.connection.execute(select(signing_keys.c.key_id, signing_keys.c.next_number))
    return [UnitRange(key_id=row.key_id, first_number=row.next_number, count=1).first_unit_id for row in found]
