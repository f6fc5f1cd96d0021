"""Whether a process can answer scans now."""

from services.scan.storage import registry
from services.scan.storage.connection import HeldConnection


class Readiness:
    """Asks PostgreSQL. The hot state may be away: scans go on without it."""

    def __init__(self, *, connection: HeldConnection) -> None:
        self._connection = connection

    async def check(self) -> None:
        """Return when scans can be answered; Unavailable otherwise."""
        await registry.ping(self._connection)
