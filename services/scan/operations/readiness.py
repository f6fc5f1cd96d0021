"""Whether a process can answer scans now, and how its parts stand."""

from collections.abc import Sequence

from services.scan.storage import registry
from services.scan.storage.connection import HeldConnection
from services.scan.watched_files import Part, PartHealth


class Readiness:
    """Asks PostgreSQL. Everything else may be away: scans go on without it, and `parts` tells."""

    def __init__(self, *, connection: HeldConnection, parts: Sequence[Part]) -> None:
        self._connection = connection
        self._parts = parts

    async def check(self) -> None:
        """Return when scans can be answered; Unavailable otherwise."""
        await registry.ping(self._connection)

    def parts(self) -> list[PartHealth]:
        """Return how the parts stand that a scan can do without."""
        return [part.health() for part in self._parts]
