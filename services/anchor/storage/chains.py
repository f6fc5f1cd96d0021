"""SQL on what the writer says about a chain, for everybody else to read."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from services.anchor.model import Standing, pause_after_refusals
from services.anchor.tables import chains
from services.common.database import Transaction


async def say(tx: Transaction, *, chain_id: int, sender: str, waits_for: str, now: datetime) -> None:
    """Write who signs on a chain and what the writer waits for; an empty text means that all is well.

    A row that says so already is left alone. The database decides that: a worker that stood by for a while does not
    know what another has said meanwhile.
    """
    row: dict[str, object] = {"chain_id": chain_id, "sender": sender, "waits_for": waits_for, "updated_at": now}
    if waits_for:
        row |= {"last_error": waits_for, "last_error_at": now}
    another = (chains.c.sender != sender) | (chains.c.waits_for != waits_for)
    await tx.connection.execute(
        insert(chains).values(row).on_conflict_do_update(index_elements=["chain_id"], set_=row, where=another)
    )


async def standing(tx: Transaction, chain_id: int) -> Standing:
    """Return all that the writer has said about a chain."""
    query = select(
        chains.c.sender,
        chains.c.waits_for,
        chains.c.last_error,
        chains.c.last_error_at,
        chains.c.refusals,
        chains.c.refusal,
        chains.c.held_until,
    ).where(chains.c.chain_id == chain_id)
    row = (await tx.connection.execute(query)).one_or_none()
    return Standing() if row is None else Standing(*row)


async def refuse(tx: Transaction, *, chain_id: int, sender: str, refusal: str, now: datetime) -> int:
    """Count a transaction that was executed in vain, and let nothing new be signed for a while; return the count."""
    row = {"refusal": refusal, "refused_at": now, "updated_at": now}
    counted = (
        insert(chains)
        .values(row | {"chain_id": chain_id, "sender": sender, "refusals": 1})
        .on_conflict_do_update(index_elements=["chain_id"], set_=row | {"refusals": chains.c.refusals + 1})
        .returning(chains.c.refusals)
    )
    count: int = (await tx.connection.execute(counted)).scalar_one()
    until = now + pause_after_refusals(count)
    await tx.connection.execute(update(chains).where(chains.c.chain_id == chain_id).values(held_until=until))
    return count


async def lift(tx: Transaction, chain_id: int) -> None:
    """Let new transactions be signed at once; the next one in vain makes the pause that it would have made."""
    await tx.connection.execute(update(chains).where(chains.c.chain_id == chain_id).values(held_until=None))


async def recover(tx: Transaction, chain_id: int, *, signed_at: datetime) -> None:
    """A transaction anchored its root: if it was signed after the last one in vain, that is over.

    One that was signed before says nothing: it had only not been deep enough yet.
    """
    over = (chains.c.chain_id == chain_id) & (chains.c.refused_at <= signed_at)
    await tx.connection.execute(update(chains).where(over).values(refusals=0, refusal="", held_until=None))


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
