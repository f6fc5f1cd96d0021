"""COPY in binary form, from rows that are made while they are sent; INSERT of the same rows where COPY is refused."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from asyncpg.exceptions import FeatureNotSupportedError, InterfaceError, PostgresError

from services.common.database import Transaction
from services.common.errors import Unavailable
from services.factory.copy_format import HEADER, TRAILER

# Connection exception, insufficient resources (a full disk), operator intervention (a statement's time is over).
_PASSING_SQLSTATE_CLASSES = ("08", "53", "57")
_INSERTED_AT_ONCE: Final = 2_000

Source = Callable[[], AsyncIterator[bytes]]
"""Makes the rows, in pieces, from the first one on each time that it is called."""

_LENGTH: Final = struct.Struct(">i")


async def copy(tx: Transaction, table: str, columns: Sequence[str], source: Source, *, seconds: float = 30) -> None:
    """Write rows into a table of Factory's, in `seconds` at most.

    PostgreSQL takes no COPY where row-level security holds for the role, and some of what stands between us and it
    knows none. Then the rows are made again and inserted, which takes several times as long.
    Unavailable when the database is away, full, or has no time.
    """
    # A refusal breaks all that came before it. This begins the transaction, too, which COPY past SQLAlchemy does not.
    await tx.connection.exec_driver_sql("SAVEPOINT before_copy")
    connection = (await tx.connection.get_raw_connection()).driver_connection
    assert connection is not None  # noqa: S101 - it was just used
    try:
        try:
            await connection.copy_to_table(
                table, schema_name="factory", columns=columns, source=source(), format="binary", timeout=seconds
            )
        except FeatureNotSupportedError:
            await connection.execute("ROLLBACK TO SAVEPOINT before_copy")
            async with asyncio.timeout(seconds):
                await _insert(connection, table, columns, source())
    except PostgresError as error:
        if str(getattr(error, "sqlstate", "")).startswith(_PASSING_SQLSTATE_CLASSES):
            raise Unavailable("the database does not answer, or is full; try again") from error
        raise
    except InterfaceError as error:
        raise Unavailable("the connection to the database was lost; try again") from error


async def _insert(connection: Any, table: str, columns: Sequence[str], source: AsyncIterator[bytes]) -> None:
    names = ", ".join(columns)
    described = await connection.prepare(f"SELECT {names} FROM factory.{table}")  # noqa: S608 - our own names
    kinds = [attribute.type.name for attribute in described.get_attributes()]
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds, 1))
    insert = f"INSERT INTO factory.{table} ({names}) SELECT * FROM unnest({arrays})"  # noqa: S608 - our own names
    read = [_READ[kind] for kind in kinds]
    waiting: list[list[Any]] = []
    async for row in _rows_in(source):
        waiting.append([each(field) for each, field in zip(read, row, strict=True)])
        if len(waiting) == _INSERTED_AT_ONCE:
            await connection.execute(insert, *zip(*waiting, strict=True))
            waiting.clear()
    if waiting:
        await connection.execute(insert, *zip(*waiting, strict=True))


async def _rows_in(source: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Yield the fields of each row of a binary COPY, none of which is NULL; pieces may end anywhere."""
    rest, skipped = b"", len(HEADER)
    async for piece in source:
        rest += piece
        if len(rest) < skipped:
            continue
        at, skipped = skipped, 0
        while (row := _row_at(rest, at)) is not None:
            fields, at = row
            yield fields
        rest = rest[at:]
    assert rest == TRAILER  # noqa: S101 - what we made ourselves


def _row_at(data: bytes, at: int) -> tuple[list[bytes], int] | None:
    """Return the row at a place and where it ends; None when it is not whole, and at the trailer."""
    fields: list[bytes] = []
    start, at = at, at + 2
    count = int.from_bytes(data[start:at], signed=True) if at <= len(data) else -1
    for _ in range(count):
        if at + _LENGTH.size > len(data):
            return None
        end = at + _LENGTH.size + _LENGTH.unpack_from(data, at)[0]
        if end > len(data):
            return None
        fields.append(data[at + _LENGTH.size : end])
        at = end
    return (fields, at) if count > 0 else None


def _integer(field: bytes) -> int:
    return int.from_bytes(field, signed=True)


_READ: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "int2": _integer,
    "int4": _integer,
    "int8": _integer,
    "uuid": lambda field: UUID(bytes=field),
    "text": bytes.decode,
    "bytea": bytes,
}
"""What fields of PostgreSQL's types are in binary form."""
