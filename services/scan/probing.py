"""Looking whether PostgreSQL is back, while it is away, so that no scan has to.

A scan that tried would wait as long as a database that hangs lets it. So scans are refused at once while the breaker is
open, and this asks instead; it also closes the breaker when no scan comes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.common.repeating import running
from services.scan.breaker import Breaker
from services.scan.storage import registry
from services.scan.storage.connection import HeldConnection

_EVERY_SECONDS = 0.1
_log = get_logger(__name__)


@asynccontextmanager
async def probing(connection: HeldConnection, breaker: Breaker) -> AsyncIterator[None]:
    """Probe for the length of the block, whenever the breaker of the connection is open."""
    async with running(_probe(connection, breaker)):
        yield


async def _probe(connection: HeldConnection, breaker: Breaker) -> None:
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        if not breaker.open or breaker.refuses:
            continue
        try:
            await registry.ping(connection)
        except Unavailable:
            continue
        except Exception:
            # Whatever it is, an answer has closed the breaker, and scans depend on this to go on.
            _log.exception("looking for the database failed, trying again")
