"""Following batches as they change.

One poller reads all batches that anyone in this process follows, in one query, four times a second and only while
somebody follows. Alternatives considered: LISTEN/NOTIFY, which needs a connection of its own, does not pass
connection poolers, and after each reconnect must read everything again anyway; a poller per follower, which costs a
query for each of them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from dataclasses import dataclass, field
from uuid import UUID

from services.common.database import Database
from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.factory.model.batches import WATCH_ENDS, Batch
from services.factory.operations.batches import estimated
from services.factory.storage import batches as storage

_log = get_logger(__name__)


@dataclass(eq=False, slots=True)
class _Follower:
    latest: Batch
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    failure: BaseException | None = None

    async def next(self) -> Batch:
        await self.changed.wait()
        self.changed.clear()
        if self.failure is not None:
            raise self.failure
        return self.latest


class BatchWatch:
    """Follows batches for any number of callers."""

    def __init__(self, *, database: Database, poll_seconds: float = 0.25, outage_poll_seconds: float = 1.0) -> None:
        self._database = database
        self._poll_seconds = poll_seconds
        self._outage_poll_seconds = outage_poll_seconds
        self._followers: set[_Follower] = set()
        self._poller: asyncio.Task[None] | None = None

    async def follow(self, tenant_id: UUID, batch_id: UUID) -> AsyncIterator[Batch]:
        """Yield a batch at once and at every change, the last time in a state of WATCH_ENDS.

        Changes that follow one another quickly come as one. An outage of the database delays it and does not end it.
        Raises BatchNotFound when the tenant has no such batch.
        """
        async with self._database.reading() as tx:
            (batch,) = await estimated(tx, [await storage.get(tx, tenant_id, batch_id)])
        follower = _Follower(batch)
        self._join(follower)
        try:
            yield batch
            while batch.state not in WATCH_ENDS:
                batch = await follower.next()
                yield batch
        finally:
            self._followers.discard(follower)

    def _join(self, follower: _Follower) -> None:
        self._followers.add(follower)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll(), context=Context())  # not the first caller's

    async def _poll(self) -> None:
        try:
            pause = self._poll_seconds
            while self._followers:
                await asyncio.sleep(pause)
                try:
                    await self._look()
                    pause = self._poll_seconds
                except Unavailable:
                    _log.warning("cannot follow batches while the database is away", followers=len(self._followers))
                    pause = self._outage_poll_seconds
        except BaseException as failure:
            # Followers must end with the poller; on their own they would wait for ever.
            for follower in self._followers:
                follower.failure = failure
                follower.changed.set()
            raise

    async def _look(self) -> None:
        wanted = {follower.latest.batch_id for follower in self._followers}
        async with self._database.reading() as tx:
            read = await storage.get_many(tx, list(wanted))
            found = {batch.batch_id: batch for batch in await estimated(tx, read)}
        for follower in self._followers:
            batch = found.get(follower.latest.batch_id)
            if batch is not None and batch != follower.latest:
                follower.latest = batch
                follower.changed.set()
