"""SQL on imported batches: their rows, their serials, and the reports of files that were refused."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg.exceptions import UniqueViolationError
from sqlalchemy import ARRAY, CollectionAggregate, Text, any_, cast, delete, func, insert, select, text

from services.common.database import Transaction
from services.common.errors import JobNotFound
from services.factory.model.batches import BatchState
from services.factory.model.imports import RECORD_SEPARATOR, TILE_ROWS, CsvFault, ImportReport
from services.factory.model.serials import BATCH_ID_END, GeneratedSerial
from services.factory.storage.copying import Source, copy
from services.factory.tables import batch_id_end, batches, import_reports, import_rows, imports, products, serials

SERIAL_COLUMNS: Final = ("tenant_id", "batch_id", "unit_index", "serial")
ROW_COLUMNS: Final = ("batch_id", "tile_index", "rows")
_LONGEST_SECONDS: Final = 600


class SerialTaken(Exception):
    """The tenant has a unit of one of the serials, or two of them are the same."""


async def take_turn(tx: Transaction, tenant_id: UUID) -> None:
    """Wait until no other import of the tenant writes serials, and keep others waiting until the transaction ends.

    Two that write the same serials in different orders would otherwise wait for each other.
    """
    await tx.connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended('factory.serials', 0) # hashtextextended(:tenant, 1))"),
        {"tenant": str(tenant_id)},
    )


async def has_gtin(tx: Transaction, product_id: UUID) -> bool:
    """Say whether a product has a GTIN now."""
    return bool(
        (await tx.connection.execute(select(products.c.gtin).where(products.c.product_id == product_id))).scalar()
    )


async def copy_serials(tx: Transaction, rows: Source) -> None:
    """Write serials, columns as in SERIAL_COLUMNS. SerialTaken when the tenant has one of them: the transaction is
    broken then."""
    try:
        await copy(tx, "serials", SERIAL_COLUMNS, rows, seconds=_LONGEST_SECONDS)
    except UniqueViolationError as error:
        raise SerialTaken from error


async def copy_rows(tx: Transaction, rows: Source) -> None:
    """Write the file's rows, columns as in ROW_COLUMNS."""
    await copy(tx, "import_rows", ROW_COLUMNS, rows, seconds=_LONGEST_SECONDS)


async def add(tx: Transaction, *, batch_id: UUID, columns: Sequence[str], file_hash: bytes) -> None:
    """Note that a batch's serials, and its units' attributes, come from a file."""
    await tx.connection.execute(
        insert(imports).values(batch_id=batch_id, columns=list(columns), file_hash=file_hash, created_at=func.now())
    )


async def columns_of(tx: Transaction, batch_id: UUID) -> list[str] | None:
    """Return the further columns of an imported batch, None when it was ordered by quantity."""
    found = await tx.connection.execute(select(imports.c.columns).where(imports.c.batch_id == batch_id))
    return found.scalar_one_or_none()


async def rows_between(tx: Transaction, batch_id: UUID, start: int, end: int) -> list[str]:
    """Return an imported batch's rows with start <= index < end."""
    first = start // TILE_ROWS
    found = await tx.connection.execute(
        select(import_rows.c.rows)
        .where(
            import_rows.c.batch_id == batch_id,
            import_rows.c.tile_index >= first,
            import_rows.c.tile_index <= (end - 1) // TILE_ROWS,
        )
        .order_by(import_rows.c.tile_index)
    )
    rows = [row for tile in found.scalars() for row in tile.split(RECORD_SEPARATOR)]
    return rows[start - first * TILE_ROWS : end - first * TILE_ROWS]


async def taken(tx: Transaction, tenant_id: UUID, wanted: Sequence[str]) -> set[str]:
    """Return those of some serials that imported units of the tenant have."""
    found = await tx.connection.execute(
        select(serials.c.serial).where(serials.c.tenant_id == tenant_id, serials.c.serial == _any_of(wanted))
    )
    return set(found.scalars())


async def taken_by_generated(
    tx: Transaction, tenant_id: UUID, wanted: Collection[GeneratedSerial]
) -> set[GeneratedSerial]:
    """Return those of some serials, in the form that is made here, that the tenant's ordered batches have."""
    ends = {each.batch_id_end for each in wanted}
    found = await tx.connection.execute(
        select(batches.c.batch_id, batches.c.quantity)
        .outerjoin(imports, imports.c.batch_id == batches.c.batch_id)
        .where(
            batches.c.tenant_id == tenant_id,
            batch_id_end == _any_of(list(ends)),
            imports.c.batch_id.is_(None),
        )
    )
    quantities = {str(row.batch_id)[-BATCH_ID_END:]: row.quantity for row in found}
    return {each for each in wanted if each.index < quantities.get(each.batch_id_end, 0)}


async def add_report(tx: Transaction, report: ImportReport) -> None:
    """Keep what was wrong with a file."""
    await tx.connection.execute(
        insert(import_reports).values(
            import_id=report.import_id,
            tenant_id=report.tenant_id,
            rows=report.rows,
            total=report.total,
            faults=[asdict(fault) for fault in report.faults],
            created_at=report.created_at,
        )
    )


async def get_report(tx: Transaction, tenant_id: UUID, import_id: UUID) -> ImportReport:
    """Return a report; JobNotFound when the tenant has none of that id."""
    row = (
        await tx.connection.execute(
            select(import_reports).where(
                import_reports.c.tenant_id == tenant_id, import_reports.c.import_id == import_id
            )
        )
    ).one_or_none()
    if row is None:
        raise JobNotFound
    return ImportReport(
        import_id=row.import_id,
        tenant_id=row.tenant_id,
        rows=row.rows,
        total=row.total,
        faults=[CsvFault(**fault) for fault in row.faults],
        created_at=row.created_at,
    )


async def forget_reports_before(tx: Transaction, moment: datetime) -> int:
    """Delete the reports made before a moment; return how many there were."""
    return (await tx.connection.execute(delete(import_reports).where(import_reports.c.created_at < moment))).rowcount


async def next_cancelled(tx: Transaction) -> UUID | None:
    """Return an imported batch that was cancelled and still holds its serials; others skip it meanwhile."""
    found = await tx.connection.execute(
        select(imports.c.batch_id)
        .join(batches, batches.c.batch_id == imports.c.batch_id)
        .where(batches.c.state == BatchState.CANCELLED.name, imports.c.freed_at.is_(None))
        .limit(1)
        .with_for_update(skip_locked=True, of=imports)
    )
    return found.scalar_one_or_none()


_FREE = text(
    """
    WITH tile AS (
        DELETE FROM factory.import_rows
        WHERE (batch_id, tile_index) IN (
            SELECT batch_id, tile_index FROM factory.import_rows
            WHERE batch_id = :batch_id ORDER BY tile_index LIMIT :tiles
        )
        RETURNING batch_id, rows
    )
    DELETE FROM factory.serials
    USING (
        SELECT batch.tenant_id, batch.batch_id, split_part(line, :unit, 1) AS serial
        FROM tile JOIN factory.batches batch USING (batch_id), unnest(string_to_array(tile.rows, :record)) AS line
    ) gone
    WHERE serials.tenant_id = gone.tenant_id AND serials.serial = gone.serial AND serials.batch_id = gone.batch_id
    """
)


async def free_some(tx: Transaction, batch_id: UUID, tiles: int) -> int:
    """Delete up to `tiles` tiles of rows of a batch, and their serials; return how many serials went."""
    return (
        await tx.connection.execute(
            _FREE, {"batch_id": batch_id, "tiles": tiles, "unit": "\x1f", "record": RECORD_SEPARATOR}
        )
    ).rowcount


async def mark_freed(tx: Transaction, batch_id: UUID) -> None:
    """Note that a batch holds no serials any more."""
    await tx.connection.execute(imports.update().where(imports.c.batch_id == batch_id).values(freed_at=func.now()))


def _any_of(values: Sequence[str]) -> CollectionAggregate[bool]:
    """Return `ANY (array)`: one parameter, where IN would have one a value."""
    return any_(cast(values, ARRAY(Text)))
