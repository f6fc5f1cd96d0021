"""SQL on the transactions that fill gaps in our nonces, each stored before it is broadcast."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from services.anchor.chain_types import Fees
from services.anchor.tables import fillers
from services.common.database import Transaction


@dataclass(frozen=True, slots=True)
class Filler:
    """A signed transaction that does nothing but use a nonce."""

    tx_hash: str
    raw: bytes
    fees: Fees
    signed_at: datetime


async def newest(tx: Transaction, *, chain_id: int, sender: str, nonce: int) -> Filler | None:
    """Return the last one that was signed for a nonce."""
    query = (
        select(fillers)
        .where(fillers.c.chain_id == chain_id, fillers.c.sender == sender, fillers.c.nonce == nonce)
        .order_by(fillers.c.signed_at.desc())
        .limit(1)
    )
    row = (await tx.connection.execute(query)).one_or_none()
    if row is None:
        return None
    priority = row.priority_fee_wei
    fees = Fees(int(row.max_fee_wei), None if priority is None else int(priority))
    return Filler(tx_hash=row.tx_hash, raw=row.raw, fees=fees, signed_at=row.signed_at)


async def insert(tx: Transaction, filler: Filler, *, chain_id: int, sender: str, nonce: int) -> None:
    """Store one. The same transaction signed again is the same row."""
    row = {
        "tx_hash": filler.tx_hash,
        "chain_id": chain_id,
        "sender": sender,
        "nonce": nonce,
        "raw": filler.raw,
        "max_fee_wei": filler.fees.max_wei,
        "priority_fee_wei": filler.fees.priority_wei,
        "signed_at": filler.signed_at,
    }
    await tx.connection.execute(upsert(fillers).values(row).on_conflict_do_nothing())
