"""What the worker does for webhooks: it publishes events and tries due deliveries, many at a time.

One loop, woken by nudges, by places that come free, and by itself every few seconds, as with batches. A slow endpoint
delays nobody else: it has a few places of its own, one alone while it fails, and the places of all together are many
more than that. Order is not promised: deliveries of an endpoint run beside each other, and one that is tried again
comes late.
"""

import asyncio
import time
from collections import Counter as Tally
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram

from services.common.clock import Clock
from services.common.database import Database
from services.common.errors import Unavailable
from services.common.logs import get_logger
from services.common.repeating import repeat
from services.factory.model.webhooks import Answer, Claim
from services.factory.operations.backlog import read_backlog
from services.factory.operations.delivering import Deliverer
from services.factory.operations.outbox import Publisher

_STOPPING_SECONDS = 3.0
_SHOW_SECONDS = 5.0

_log = get_logger(__name__)
_webhook_seconds = Histogram(
    "voketag_factory_webhook_seconds",
    "Time of a webhook's request, by how it went.",
    ["result"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_webhooks_running = Gauge("voketag_factory_webhooks_running", "Webhook requests that this worker makes at the moment.")
_events_published = Counter("voketag_factory_events_published", "Events that this worker published.")
_outbox_waiting = Gauge("voketag_factory_outbox_waiting", "Events that nobody published yet.")
_outbox_age = Gauge("voketag_factory_outbox_age_seconds", "Age of the oldest event that nobody published yet.")
_webhook_delay = Gauge("voketag_factory_webhook_delay_seconds", "How long the delivery due longest waits for a worker.")
_dead_letters = Gauge("voketag_factory_dead_letters", "Dead letters that wait for somebody's decision.")
_dead_letter_age = Gauge("voketag_factory_dead_letter_age_seconds", "Age of the oldest dead letter that waits.")


class WebhookWorker:
    """Publishes and delivers until it is told to stop."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        publisher: Publisher,
        deliverer: Deliverer,
        at_once: int,
        per_endpoint: int,
        sweep_seconds: float,
    ) -> None:
        self._database = database
        self._clock = clock
        self._publisher = publisher
        self._deliverer = deliverer
        self._at_once = at_once
        self._per_endpoint = per_endpoint
        self._sweep_seconds = sweep_seconds
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()
        self._places: Tally[UUID] = Tally()
        self._failing: set[UUID] = set()
        self._shown = 0.0

    def look(self) -> None:
        """Take a nudge: there may be something to publish."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; requests that are under way get a few seconds to end."""
        try:
            await repeat(self._sweep, wake=self._wake, stop=stop)
        finally:
            if self._running:
                await asyncio.wait(self._running, timeout=_STOPPING_SECONDS)
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _sweep(self) -> float:
        # Each for itself: an event that cannot be published must not hold up deliveries that are there.
        for step in (self._publish, self._start_due, self._show):
            try:
                await step()
            except Unavailable:
                _log.warning("the database is away, looking again soon")
            except Exception:
                # The loop is all that finds work; it must outlive whatever a sweep runs into.
                _log.exception("a sweep failed, looking again soon", step=step.__name__)
        return self._sweep_seconds

    async def _publish(self) -> None:
        _events_published.inc(await self._publisher.publish())

    async def _start_due(self) -> None:
        while len(self._running) < self._at_once and (claims := await self._take()):
            for claimed in claims:
                self._start(claimed)

    async def _take(self) -> list[Claim]:
        busy = [endpoint for endpoint, places in self._places.items() if places >= self._limit(endpoint)]
        return await self._deliverer.take(busy=busy, places=self._at_once - len(self._running))

    def _limit(self, endpoint: UUID) -> int:
        return 1 if endpoint in self._failing else self._per_endpoint

    def _start(self, claimed: Claim) -> None:
        endpoint = claimed.delivery.endpoint_id
        task = asyncio.create_task(self._deliver(claimed))
        self._running.add(task)
        self._places[endpoint] += 1
        _webhooks_running.set(len(self._running))

        def ended(_: asyncio.Task[None]) -> None:
            self._running.discard(task)
            self._places[endpoint] -= 1
            if not self._places[endpoint]:
                del self._places[endpoint]
            _webhooks_running.set(len(self._running))
            self._wake.set()  # a place is free

        task.add_done_callback(ended)

    async def _deliver(self, claimed: Claim) -> None:
        began = time.monotonic()
        result = "unrecorded"
        try:
            answer = await self._deliverer.deliver(claimed)
            result = _result(answer)
            if answer.delivered:
                self._failing.discard(claimed.delivery.endpoint_id)
            else:
                self._failing.add(claimed.delivery.endpoint_id)
        except TimeoutError:
            _log.warning("how a delivery went could not be recorded", delivery_id=str(claimed.delivery.delivery_id))
        except Exception:
            _log.exception("a delivery broke off", delivery_id=str(claimed.delivery.delivery_id))
        finally:
            _webhook_seconds.labels(result).observe(time.monotonic() - began)

    async def _show(self) -> None:
        """Set what Prometheus reads and alerts stand on, now and then."""
        if time.monotonic() - self._shown < _SHOW_SECONDS:
            return
        self._shown = time.monotonic()
        backlog = await read_backlog(database=self._database, clock=self._clock)
        _outbox_waiting.set(backlog.events)
        _outbox_age.set(backlog.event_age)
        _dead_letters.set(backlog.dead_letters)
        _dead_letter_age.set(backlog.dead_letter_age)
        _webhook_delay.set(backlog.delivery_delay)


def _result(answer: Answer) -> str:
    if answer.delivered:
        return "delivered"
    return "gone" if answer.gone else "failed"
