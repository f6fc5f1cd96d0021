"""Delivering: a worker takes what is due, makes the request, and records how it went.

The request stands between two transactions. Killed between them, a worker leaves a log row that says so, and the
delivery is due again when its time in hand ends: at least once, always with the same webhook-id and body. When
PostgreSQL is away afterwards, the outcome waits for it as long as the delivery is in hand, so that the log stays true.
"""

import asyncio
import random
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.factory.model.dead_letters import WEBHOOK_DELIVERY, Resolution
from services.factory.model.webhooks import GONE, MAX_TRIES, Answer, Claim, delay_after
from services.factory.operations import dead_letters
from services.factory.storage import deliveries, webhooks
from services.factory.storage import delivering as storage
from voketag_kernel.webhooks import sign

_RECORD_AGAIN_SECONDS = 0.5
_log = get_logger(__name__)


class Sender(Protocol):
    """Makes one request."""

    async def send(self, url: str, *, headers: dict[str, str], body: bytes) -> Answer:
        """Post a body and return how it went; raises nothing."""
        ...


class SecretOpener(Protocol):
    """Opens stored secrets."""

    def open(self, endpoint_id: UUID, sealed: bytes) -> bytes:
        """Return the HMAC key; ValueError when it cannot be had."""
        ...


class Deliverer:
    """Takes and tries deliveries. `in_hand` is how long one stays with a worker that gives no sign."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        sender: Sender,
        secrets: SecretOpener,
        in_hand: timedelta,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sender = sender
        self._secrets = secrets
        self._in_hand = in_hand
        self._chance = chance

    async def take(self, *, busy: Collection[UUID], places: int) -> list[Claim]:
        """Take due deliveries, one an endpoint, none of the endpoints in `busy`, and no more than `places`."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            return await storage.claim(tx, now=now, until=now + self._in_hand, busy=busy, places=places)

    async def deliver(self, claimed: Claim) -> Answer:
        """Try a delivery and record how it went; return that."""
        answer = await self._send(claimed)
        async with asyncio.timeout(self._in_hand.total_seconds()):
            while True:
                try:
                    async with self._database.transaction() as tx:
                        await self._record(tx, claimed, answer)
                except Unavailable:
                    await asyncio.sleep(_RECORD_AGAIN_SECONDS)
                else:
                    return answer

    async def _send(self, claimed: Claim) -> Answer:
        now = self._clock.now()
        try:
            keys = [self._secrets.open(claimed.delivery.endpoint_id, each) for each in claimed.secrets.in_force(now)]
        except ValueError as error:
            _log.error("a webhook cannot be signed", endpoint_id=str(claimed.delivery.endpoint_id), reason=str(error))
            return Answer(status=0, latency_ms=0, excerpt="", error="not sent: the platform could not sign it")
        body, timestamp, event_id = claimed.delivery.body.encode(), int(now.timestamp()), str(claimed.delivery.event_id)
        headers = {
            "webhook-id": event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(keys, webhook_id=event_id, timestamp=timestamp, body=body),
        }
        return await self._sender.send(claimed.url, headers=headers, body=body)

    async def _record(self, tx: Transaction, claimed: Claim, answer: Answer) -> None:
        await storage.write_outcome(tx, claimed, answer)
        if answer.delivered:
            if not await storage.mark_delivered(tx, claimed):
                await dead_letters.settle(
                    tx,
                    claimed.delivery.tenant_id,
                    [claimed.delivery.delivery_id],
                    Resolution.RECOVERED,
                    now=self._clock.now(),
                )
        elif answer.gone:
            # First the endpoint, then its deliveries: everybody holds them in this order.
            await webhooks.disable(tx, claimed.delivery.endpoint_id, reason=GONE, now=self._clock.now())
            await deliveries.cancel_waiting(tx, claimed.delivery.endpoint_id)
        elif (delay := delay_after(claimed.tries, self._chance())) is not None:
            await storage.postpone(tx, claimed, self._clock.now() + delay)
        elif await storage.give_up(tx, claimed):
            await self._bury(tx, claimed, answer)

    async def _bury(self, tx: Transaction, claimed: Claim, answer: Answer) -> None:
        payload = {
            "endpoint_id": str(claimed.delivery.endpoint_id),
            "event_id": str(claimed.delivery.event_id),
            "event": claimed.delivery.topic,
            "url": claimed.url,
            "body": claimed.delivery.body,
        }
        await dead_letters.bury(
            tx,
            claimed.delivery.tenant_id,
            WEBHOOK_DELIVERY,
            subject=claimed.delivery.delivery_id,
            cause=f"{MAX_TRIES} tries, the last: {answer.cause}",
            payload=payload,
            now=self._clock.now(),
        )
