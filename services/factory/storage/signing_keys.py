"""SQL on signing keys: the ids and the next free numbers. The secrets are files and never come here."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.dialects.postgresql import insert

from services.common.database import Transaction
from services.factory.tables import signing_keys


async def add_missing_keys(tx: Transaction, key_ids: Iterable[int], *, now: datetime) -> None:
    """Add the keys that are not there; those that are keep their numbers."""
    rows = [{"key_id": key_id, "created_at": now} for key_id in sorted(key_ids)]
    await tx.connection.execute(insert(signing_keys).values(rows).on_conflict_do_nothing())
