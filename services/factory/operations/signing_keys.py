"""The signing keys of this installation, as the database has to know them."""

from services.common.clock import Clock
from services.common.database import Database
from services.factory.storage import signing_keys as storage
from voketag_kernel.codes import KeyRing


async def ensure_signing_keys(*, database: Database, clock: Clock, keys: KeyRing, active: int) -> None:
    """Give every key on this machine its row; ValueError when the active one is not among them."""
    if active not in keys:
        raise ValueError(f"signing_key_id is {active}, but unit_keys has no {active}.key")
    async with database.transaction() as tx:
        await storage.add_missing_keys(tx, keys, now=clock.now())
