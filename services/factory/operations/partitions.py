"""Partitions of units, made before orders need them."""

from services.common.database import Database
from services.factory.model.batches import UNITS_PER_PARTITION
from services.factory.storage import batches, signing_keys

PARTITIONS_AHEAD = 2


async def ensure_unit_partitions(*, database: Database) -> None:
    """Make the partitions that each signing key's next numbers go to, and two more. Unavailable.

    An order makes what it needs itself; this keeps it from having to, since making one locks the table for a moment.
    """
    async with database.reading() as tx:
        nexts = await signing_keys.next_unit_ids(tx)
    for unit_id in nexts:
        for ahead in range(PARTITIONS_AHEAD + 1):
            async with database.transaction() as tx:
                await batches.ensure_partition(tx, unit_id + ahead * UNITS_PER_PARTITION)
