"""COPY in binary form, from rows that are made while they are sent."""

from collections.abc import AsyncIterator, Sequence

from asyncpg.exceptions import InterfaceError, PostgresError

from services.common.database import Transaction
from services.common.errors import Unavailable

# Connection exception, insufficient resources (a full disk), operator intervention (a statement's time is over).
_PASSING_SQLSTATE_CLASSES = ("08", "53", "57")


async def copy(
    tx: Transaction, table: str, columns: Sequence[str], source: AsyncIterator[bytes], *, seconds: float = 30
) -> None:
    """Write rows into a table of Factory's, in `seconds` at most.

    Unavailable when the database is away, full, or has no time.
    """
    connection = (await tx.connection.get_raw_connection()).driver_connection
    assert connection is not None  # noqa: S101 - it was used by this transaction's first statement
    try:
        await connection.copy_to_table(
            table, schema_name="factory", columns=columns, source=source, format="binary", timeout=seconds
        )
    except PostgresError as error:
        if str(getattr(error, "sqlstate", "")).startswith(_PASSING_SQLSTATE_CLASSES):
            raise Unavailable("the database does not answer, or is full; try again") from error
        raise
    except InterfaceError as error:
        raise Unavailable("the connection to the database was lost; try again") from error
