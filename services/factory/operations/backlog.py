"""What waits, for whoever watches over the platform: numbers and ages, of all tenants together."""

from dataclasses import dataclass

from services.common.clock import Clock
from services.common.database import Database
from services.factory.storage import dead_letters, delivering, outbox


@dataclass(frozen=True, slots=True)
class Backlog:
    """Counts, and ages in seconds; 0 where nothing waits."""

    events: int
    event_age: float
    dead_letters: int
    dead_letter_age: float
    delivery_delay: float


async def read_backlog(*, database: Database, clock: Clock) -> Backlog:
    """Return what waits now."""
    async with database.reading() as tx:
        events, event_age = await outbox.waiting(tx)
        letters, letter_age = await dead_letters.waiting(tx)
        delay = await delivering.oldest_due(tx, clock.now())
    return Backlog(
        events=events,
        event_age=event_age,
        dead_letters=letters,
        dead_letter_age=letter_age,
        delivery_delay=delay,
    )
