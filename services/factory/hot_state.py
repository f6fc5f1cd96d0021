"""What Factory tells Scan through Redis: which units changed. A lost message costs Scan a second: none is retried."""

from collections.abc import Sequence
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.common.logs import get_logger

UNITS_CHANNEL = "voketag:units"
"""Scan listens here; a message is unit ids and ranges of them in decimal (`5`, `7-12`, `5,9`), or `tenant:<uuid>`."""
_TIMEOUT_SECONDS = 0.5  # a server that hangs must not hold up the caller for longer

_log = get_logger(__name__)


class HotState:
    """The publishing side."""

    def __init__(self, *, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)

    async def unit_changed(self, unit_id: int) -> None:
        """Ask every Scan process to forget what it knows of a unit. Failures are logged, not raised."""
        await self._publish(str(unit_id))

    async def units_changed(self, unit_ids: Sequence[int]) -> None:
        """The same for some thousand units, in one message."""
        await self._publish(",".join(map(str, unit_ids)))

    async def range_changed(self, first_unit_id: int, last_unit_id: int) -> None:
        """The same for all units of a range, however many, in one message."""
        await self._publish(f"{first_unit_id}-{last_unit_id}")

    async def tenant_changed(self, tenant_id: UUID) -> None:
        """Ask every Scan process to read a tenant's settings anew. Failures are logged, not raised."""
        await self._publish(f"tenant:{tenant_id}")

    async def _publish(self, message: str) -> None:
        try:
            await self._redis.publish(UNITS_CHANNEL, message)
        except (RedisError, OSError) as error:
            _log.warning("invalidation lost, Scan sees the change within a second", error=str(error))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
