"""News of changed units: makes the cache forget sooner than it would by itself."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.exceptions import RedisError

from services.common.logs import get_logger
from services.common.repeating import running
from services.scan.facts import FactsCache
from services.scan.hot_state import HotState

_AGAIN_SECONDS = 0.5
_UNITS = re.compile(r"[0-9]{1,17}(-[0-9]{1,17})?(,[0-9]{1,17}(-[0-9]{1,17})?)*", re.ASCII)
_log = get_logger(__name__)


@asynccontextmanager
async def following_news(hot_state: HotState, facts: FactsCache) -> AsyncIterator[None]:
    """Follow the channel for the length of the block, through outages of its server."""
    async with running(_follow(hot_state, facts)):
        yield


async def _follow(hot_state: HotState, facts: FactsCache) -> None:
    while True:
        try:
            async for payload in hot_state.news():
                apply(payload, facts)
        except (RedisError, OSError) as error:
            _log.debug("no news of units; facts expire within a second anyway", error=str(error))
        await asyncio.sleep(_AGAIN_SECONDS)


def apply(payload: str, facts: FactsCache) -> None:
    """Forget what a message says has changed; a message that nobody here understands makes it forget everything.

    Units come one by one or in ranges, `5,7-12`: a recalled batch of a million is a hundred messages.
    """
    if not _UNITS.fullmatch(payload):
        facts.forget_all()
        return
    for part in payload.split(","):
        first, _, last = part.partition("-")
        facts.forget_range(int(first), int(last or first))
