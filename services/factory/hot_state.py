"""What Factory tells Scan through Redis: which units changed. A lost message costs Scan a second: none is retried."""

from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.common.logs import get_logger

UNITS_CHANNEL = "voketag:units"
"""Scan listens here; a message is a unit id in decimal, or `tenant:<uuid>`."""
_TIMEOUT_SECONDS = 0.5  # a server that hangs must not hold up the caller for longer

_log = get_logger(__name__)


class HotState:
    """The publishing side."""

    def __init__(self, *, url: str) -> None:
        self._redis = Redis.from_url(url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)

    async def unit_changed(self, unit_id: int) -> None:
        """Ask every Scan process to forget what it knows of a unit. Failures are logged, not raised."""
        try:
            await self._redis.publish(UNITS_CHANNEL, unit_id)
        except (RedisError, OSError) as error:
            _log.warning("invalidation lost, Scan sees the change within a second", unit_id=unit_id, error=str(error))

    async def tenant_changed(self, tenant_id: UUID) -> None:
        """Ask every Scan process to read a tenant's settings anew. Failures are logged, not raised."""
        try:
            await self._redis.publish(UNITS_CHANNEL, f"tenant:{tenant_id}")
        except (RedisError, OSError) as error:
            _log.warning("invalidation lost, Scan sees the change within a second", error=str(error))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
