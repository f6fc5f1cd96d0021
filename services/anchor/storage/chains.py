"""SQL on what the writer says about a chain, for everybody else to read."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.anchor.model import Standing
from services.anchor.tables import chains
from services.common.database import Transaction


async def say(tx: Transaction, *, chain_id: int, sender: str, waits_for: str, now: datetime) -> None:
    """Write who signs on a chain and what the writer waits for; an empty text means that all is well."""
    row: dict[str, object] = {"chain_id": chain_id, "sender": sender, "waits_for": waits_for, "updated_at": now}
    if waits_for:
        row |= {"last_error": waits_for, "last_error_at": now}
    await tx.connection.execute(insert(chains).values(row).on_conflict_do_update(index_elements=["chain_id"], set_=row))


async def standing(tx: Transaction, chain_id: int) -> Standing:
    """Return all that the writer has said about a chain."""
    query = select(chains.c.sender, chains.c.waits_for, chains.c.last_error, chains.c.last_error_at).where(
        chains.c.chain_id == chain_id
    )
    row = (await tx.connection.execute(query)).one_or_none()
    return Standing() if row is None else Standing(row.sender, row.waits_for, row.last_error, row.last_error_at)


async def said(tx: Transaction, chain_id: int) -> tuple[str, str]:
    """Return the signing address and what the writer waits for; empty texts before its first word."""
    query = select(chains.c.sender, chains.c.waits_for).where(chains.c.chain_id == chain_id)
    row = (await tx.connection.execute(query)).one_or_none()
    return ("", "") if row is None else (row.sender, row.waits_for)


async def genesis(tx: Transaction, chain_id: int) -> str:
    """Return the hash of the first block that a chain had when we first saw it; empty before that."""
    found: str | None = (
        await tx.connection.execute(select(chains.c.genesis_hash).where(chains.c.chain_id == chain_id))
    ).scalar_one_or_none()
    return found or ""


async def keep_genesis(tx: Transaction, *, chain_id: int, sender: str, genesis: str, now: datetime) -> None:
    """Write the hash of a chain's first block."""
    row = {"chain_id": chain_id, "sender": sender, "updated_at": now, "genesis_hash": genesis}
    await tx.connection.execute(
        insert(chains).values(row).on_conflict_do_update(index_elements=["chain_id"], set_={"genesis_hash": genesis})
    )
