"""SQL that finds units by their serials: those that a partner brought by an index, those that are made here by what
they say themselves (`model.serials`)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, text

from services.common.database import Transaction
from services.factory.model.serials import BATCH_ID_END, generated

_IMPORTED = text(
    """
    SELECT serial.serial, (batch.key_id::bigint << 40 | batch.first_number) + serial.unit_index AS unit_id
    FROM factory.serials AS serial
    JOIN factory.batches AS batch USING (batch_id)
    WHERE serial.tenant_id = :tenant_id AND serial.serial = ANY (:serials)
      AND batch.state IN ('ANCHORING', 'COMPLETED', 'ANCHOR_FAILED')
    """
).bindparams(bindparam("serials", type_=ARRAY(Text)))
_MADE = text(
    """
    SELECT batch.batch_id::text AS batch_id, batch.quantity,
           batch.key_id::bigint << 40 | batch.first_number AS first_unit_id
    FROM factory.batches AS batch
    WHERE batch.tenant_id = :tenant_id AND right(batch.batch_id::text, 16) = ANY (:ends)
      AND batch.state IN ('ANCHORING', 'COMPLETED', 'ANCHOR_FAILED')
      AND NOT EXISTS (SELECT FROM factory.imports WHERE imports.batch_id = batch.batch_id)
    """
).bindparams(bindparam("ends", type_=ARRAY(Text)))


async def unit_ids(tx: Transaction, tenant_id: UUID, serials: Sequence[str]) -> Mapping[str, int]:
    """Return the ids of the tenant's issued units that have some of the serials."""
    found = await tx.connection.execute(_IMPORTED, {"tenant_id": tenant_id, "serials": serials})
    ids = {row.serial: int(row.unit_id) for row in found}
    made = {serial: parts for serial in serials if serial not in ids and (parts := generated(serial)) is not None}
    if made:
        ends = sorted({parts.batch_id_end for parts in made.values()})
        ranges = await tx.connection.execute(_MADE, {"tenant_id": tenant_id, "ends": ends})
        by_end = {row.batch_id[-BATCH_ID_END:]: row for row in ranges}
        for serial, parts in made.items():
            batch = by_end.get(parts.batch_id_end)
            if batch is not None and parts.index < batch.quantity:
                ids[serial] = batch.first_unit_id + parts.index
    return ids
