"""What is done with webhook endpoints on request: here they are made and asked about, the worker sends to them.

A target is looked at before the transaction, for names may take seconds to resolve and a connection of the database is
not to wait for somebody's name server. So a replay of a request_id whose name has stopped resolving is refused.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import WebhookDisabled, WebhookLimit
from services.common.ids import uuid7
from services.factory.model.events import TEST_TOPIC
from services.factory.model.page import Page
from services.factory.model.webhooks import (
    MAX_ENDPOINTS,
    Delivery,
    Endpoint,
    NewSecret,
    body_of,
    check_events,
)
from services.factory.operations import audit
from services.factory.operations.outbox import delivery_of
from services.factory.storage import deliveries, settings
from services.factory.storage import webhooks as storage


class TargetCheck(Protocol):
    """Says whether a URL may be registered."""

    async def check(self, url: str) -> None:
        """Return, or raise WebhookTargetRefused."""
        ...


class SecretMaker(Protocol):
    """Makes secrets."""

    def make(self, endpoint_id: UUID) -> tuple[str, bytes]:
        """Return a secret to show and what is stored of it."""
        ...


class Webhooks:
    """Endpoints of one tenant at a time. Every change is audited."""

    def __init__(self, *, database: Database, clock: Clock, targets: TargetCheck, secrets: SecretMaker) -> None:
        self._database = database
        self._clock = clock
        self._targets = targets
        self._secrets = secrets

    async def check_target(self, url: str) -> None:
        """Return when a URL may be registered; WebhookTargetRefused. Before the transaction, see above."""
        await self._targets.check(url)

    async def create(
        self, tx: Transaction, tenant_id: UUID, *, url: str, events: tuple[str, ...], description: str, who: str
    ) -> NewSecret:
        """Make an endpoint for a target that was looked at, for the tenant's usual events when none are named.

        WebhookLimit, InvalidArgument for an unknown topic.
        """
        usual = (await settings.read(tx, tenant_id)).default_webhook_events
        wanted, now = check_events(events or usual), self._clock.now()
        if await storage.count_locked(tx, tenant_id) >= MAX_ENDPOINTS:
            raise WebhookLimit(MAX_ENDPOINTS)
        endpoint = Endpoint(
            endpoint_id=uuid7(),
            tenant_id=tenant_id,
            url=url,
            events=wanted,
            description=description,
            disabled=False,
            disabled_reason="",
            created_at=now,
            updated_at=now,
            previous_secret_until=None,
        )
        secret, sealed = self._secrets.make(endpoint.endpoint_id)
        await storage.add(tx, endpoint, sealed)
        await self._note(tx, endpoint, "create", who, url=url)
        return NewSecret(endpoint=endpoint, secret=secret)

    async def get(self, tenant_id: UUID, endpoint_id: UUID) -> Endpoint:
        """Return an endpoint; WebhookNotFound."""
        async with self._database.reading() as tx:
            return await storage.get(tx, tenant_id, endpoint_id)

    async def list(self, tenant_id: UUID, *, before: UUID | None, limit: int) -> Page[Endpoint]:
        """Return endpoints, newest first, from the one after `before` on."""
        async with self._database.reading() as tx:
            return Page.cut(await storage.page(tx, tenant_id, below=before, limit=limit + 1), limit)

    async def update(
        self, tx: Transaction, tenant_id: UUID, endpoint_id: UUID, change: Mapping[str, Any], *, who: str
    ) -> Endpoint:
        """Change an endpoint, whose new target was looked at. Disabling ends what waits; it can be sent again."""
        before = await storage.get(tx, tenant_id, endpoint_id, lock=True)
        after = replace(before, **change)
        after = replace(after, events=check_events(after.events))
        if not after.disabled:
            after = replace(after, disabled_reason="")
        if after == before:
            return before
        after = replace(after, updated_at=self._clock.now())
        await storage.change(tx, after)
        if after.disabled:
            await deliveries.cancel_waiting(tx, endpoint_id)
        await self._note(tx, after, "update", who, fields=",".join(sorted(change)))
        return after

    async def delete(self, tx: Transaction, tenant_id: UUID, endpoint_id: UUID, *, who: str) -> None:
        """Delete an endpoint, or leave it deleted; WebhookNotFound. What waits ends, the log stays."""
        endpoint = await storage.get(tx, tenant_id, endpoint_id, lock=True, deleted=True)
        await storage.delete(tx, endpoint, self._clock.now())
        await deliveries.cancel_waiting(tx, endpoint_id)
        await self._note(tx, endpoint, "delete", who)

    async def rotate_secret(
        self, tx: Transaction, tenant_id: UUID, endpoint_id: UUID, *, overlap: timedelta, who: str
    ) -> NewSecret:
        """Give an endpoint a new secret; the present one signs beside it for `overlap`. WebhookNotFound."""
        endpoint = await storage.get(tx, tenant_id, endpoint_id, lock=True)
        now = self._clock.now()
        until = now + overlap if overlap else None
        secret, sealed = self._secrets.make(endpoint_id)
        await storage.replace_secret(tx, endpoint, sealed, previous_until=until, now=now)
        await self._note(tx, endpoint, "rotate_secret", who, overlap_seconds=int(overlap.total_seconds()))
        return NewSecret(endpoint=replace(endpoint, previous_secret_until=until, updated_at=now), secret=secret)

    async def test(self, tx: Transaction, tenant_id: UUID, endpoint_id: UUID) -> Delivery:
        """Send an event that says nothing to one endpoint, whatever its filter; WebhookNotFound, WebhookDisabled."""
        endpoint = await storage.get(tx, tenant_id, endpoint_id, lock=True)
        if endpoint.disabled:
            raise WebhookDisabled
        now = self._clock.now()
        body = body_of(TEST_TOPIC, now, {"endpoint_id": str(endpoint_id)})
        delivery = delivery_of(uuid7(), TEST_TOPIC, body, endpoint=endpoint, happened_at=now, now=now)
        await deliveries.add(tx, [delivery])
        return delivery

    async def _note(self, tx: Transaction, endpoint: Endpoint, verb: str, who: str, **details: str | int) -> None:
        await audit.note(
            tx,
            endpoint.tenant_id,
            who=who,
            action=f"webhook.{verb}",
            subject=endpoint.endpoint_id,
            now=self._clock.now(),
            details=details,
        )
