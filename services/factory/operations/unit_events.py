"""What happens to units out in the world, as Scan tells it: events for whoever follows the tenant's."""

from collections.abc import Sequence

from services.common.database import Database
from services.factory.model.events import Event
from services.factory.storage import outbox


class UnitEvents:
    """Takes events of Scan."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def note(self, events: Sequence[Event]) -> None:
        """Keep events, all or none; one that is there already stays as it is."""
        async with self._database.transaction() as tx:
            await outbox.add(tx, events)
