"""Batches as the worker leaves them, without running it."""

from uuid import UUID

import asyncpg

from services.common.ids import uuid7

_RANGE = """
    UPDATE factory.signing_keys SET next_number = next_number + $1::int WHERE key_id = 1
    RETURNING next_number - $1::int
"""
_BATCH = """
    INSERT INTO factory.batches (batch_id, tenant_id, product_id, quantity, issued_count, state, key_id, first_number,
                                 due_at, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $4, $5, 1, $6, now(), now(), now())
"""
_UNITS = """
    INSERT INTO factory.units (unit_id, batch_id, serial)
    SELECT $1::bigint + i, $2, $4 || lpad(i::text, 6, '0') FROM generate_series(0, $3::int - 1) AS i
"""


async def issue(
    url: str, *, tenant_id: UUID, product_id: str, quantity: int, state: str = "COMPLETED", serials: str = "S"
) -> str:
    """Store a batch in a state, with all its units; return its id. The first batch's units have numbers 0, 1, ..."""
    batch_id = uuid7()
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            number = await connection.fetchval(_RANGE, quantity)
            await connection.execute(_BATCH, batch_id, tenant_id, UUID(product_id), quantity, state, number)
            first = 1 << 40 | number
            await connection.execute("SELECT factory.ensure_unit_partition($1)", first)
            await connection.execute(_UNITS, first, batch_id, quantity, serials)
    finally:
        await connection.close()
    return str(batch_id)
