"""A tenant with webhooks, the parts of the worker that deliver them, and a clock that tests move."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from services.common.database import Database
from services.common.ids import uuid7
from services.factory.model.webhooks import Claim, Delivery, NewSecret
from services.factory.operations import outbox
from services.factory.operations.dead_letters import DeadLetters
from services.factory.operations.deliveries import Deliveries
from services.factory.operations.delivering import Deliverer
from services.factory.operations.outbox import Publisher
from services.factory.operations.tenants import create_tenant
from services.factory.operations.webhooks import Webhooks
from services.factory.webhook_jobs import WebhookWorker
from services.factory.webhook_secrets import WebhookSecrets
from services.factory.webhook_sender import WebhookSender
from services.factory.webhook_targets import Targets
from tests.conftest import DatabaseUrl
from tests.webhook_receiver import Receiver, receiving

IN_HAND = timedelta(seconds=30)
TIMEOUT_SECONDS = 1.0


@dataclass
class MovingClock:
    """Stands still until a test moves it."""

    moment: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))

    def now(self) -> datetime:
        return self.moment

    def move(self, **by: float) -> None:
        self.moment += timedelta(**by)


@dataclass
class PostOffice:
    """A tenant's webhooks and what delivers them. The first half of the jitter's dice shows 0: no jitter."""

    database: Database
    clock: MovingClock
    tenant_id: UUID
    secrets: WebhookSecrets
    webhooks: Webhooks
    deliveries: Deliveries
    dead_letters: DeadLetters
    publisher: Publisher
    deliverer: Deliverer

    async def endpoint(self, url: str, *events: str) -> NewSecret:
        """Make an endpoint."""
        async with self.database.transaction() as tx:
            return await self.webhooks.create(
                tx, self.tenant_id, url=url, events=events, description="", who="key test"
            )

    async def happen(self, topic: str = "batch.completed", *, event_id: UUID | None = None) -> None:
        """Let something happen, and publish it."""
        async with self.database.transaction() as tx:
            await outbox.put(tx, self.tenant_id, topic, subject=uuid7(), payload={"batch_id": "7"}, event_id=event_id)
        await self.publisher.publish()

    async def take(self) -> list[Claim]:
        """Take what is due, one an endpoint."""
        return await self.deliverer.take(busy=(), places=100)

    async def deliver_due(self) -> int:
        """Try what is due until nothing is; return how many tries that took."""
        tries = 0
        while claims := await self.take():
            for claimed in claims:
                await self.deliverer.deliver(claimed)
            tries += len(claims)
        return tries

    async def log(self, endpoint_id: UUID) -> list[Delivery]:
        """Return an endpoint's deliveries with their logs, oldest first."""
        page = await self.deliveries.list(self.tenant_id, endpoint_id, state=None, before=None, limit=1000)
        found = [await self.deliveries.get(self.tenant_id, endpoint_id, each.delivery_id) for each in page.items]
        return found[::-1]

    def worker(self, *, at_once: int = 50, per_endpoint: int = 2) -> WebhookWorker:
        """Return the loop that does all of it."""
        return WebhookWorker(
            database=self.database,
            clock=self.clock,
            publisher=self.publisher,
            deliverer=self.deliverer,
            at_once=at_once,
            per_endpoint=per_endpoint,
            sweep_seconds=0.1,
        )


@pytest.fixture
def keys_folder(tmp_path: Path) -> Path:
    """The key that webhook secrets are encrypted with."""
    folder = tmp_path / "webhook-keys"
    folder.mkdir()
    (folder / "1.key").write_text(bytes(range(32)).hex())
    return folder


@pytest.fixture
async def office(factory_database: Database, keys_folder: Path) -> AsyncIterator[PostOffice]:
    """A tenant's webhooks. Private targets are allowed, for the receivers are on loopback."""
    clock, secrets = MovingClock(), WebhookSecrets(keys_folder)
    tenant = await create_tenant(
        database=factory_database, clock=clock, name="Acme", verification_base_url="https://v.example"
    )
    deliveries = Deliveries(database=factory_database, clock=clock)
    async with AsyncExitStack() as stack:
        targets = await stack.enter_async_context(aclosing(Targets(private=True, threads=50)))
        sender = await stack.enter_async_context(
            WebhookSender(targets=targets, timeout_seconds=TIMEOUT_SECONDS, ca_file=None)
        )
        yield PostOffice(
            database=factory_database,
            clock=clock,
            tenant_id=tenant.tenant_id,
            secrets=secrets,
            webhooks=Webhooks(database=factory_database, clock=clock, targets=targets, secrets=secrets),
            deliveries=deliveries,
            dead_letters=DeadLetters(
                database=factory_database, clock=clock, replays={"webhook.delivery": deliveries.replay}
            ),
            publisher=Publisher(database=factory_database, clock=clock),
            deliverer=Deliverer(
                database=factory_database,
                clock=clock,
                sender=sender,
                secrets=secrets,
                in_hand=IN_HAND,
                chance=lambda: 0.0,
            ),
        )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A partner's endpoint."""
    async with receiving() as running:
        yield running


@pytest.fixture
def sql(postgres: Any, database_url: DatabaseUrl) -> Any:
    """Runs a statement as superuser in the test's database."""
    name = database_url().rpartition("/")[2]
    return lambda statement: postgres.sql(statement, database=name)
