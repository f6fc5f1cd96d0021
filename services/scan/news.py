"""News of changed units: makes the cache forget sooner than it would by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.exceptions import RedisError

from services.common.logs import get_logger
from services.scan.facts import FactsCache
from services.scan.hot_state import HotState

_AGAIN_SECONDS = 0.5
_log = get_logger(__name__)


@asynccontextmanager
async def following_news(hot_state: HotState, facts: FactsCache) -> AsyncIterator[None]:
    """Follow the channel for the length of the block, through outages of its server."""
    task = asyncio.create_task(_follow(hot_state, facts))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _follow(hot_state: HotState, facts: FactsCache) -> None:
    while True:
        try:
            async for payload in hot_state.news():
                apply(payload, facts)
        except (RedisError, OSError) as error:
            _log.debug("no news of units; facts expire within a second anyway", error=str(error))
        await asyncio.sleep(_AGAIN_SECONDS)


def apply(payload: str, facts: FactsCache) -> None:
    """Forget what a message says has changed; a message that nobody here understands makes it forget everything."""
    if payload.isascii() and payload.isdigit():
        facts.forget(int(payload))
    else:
        facts.forget_all()
