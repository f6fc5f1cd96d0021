"""The log of deliveries, and sending again."""

from datetime import datetime
from uuid import UUID

from services.common.clock import Clock
from services.common.database import Database, Transaction
from services.common.errors import WebhookDisabled
from services.factory.model.dead_letters import DeadLetter, Resolution
from services.factory.model.page import Page
from services.factory.model.webhooks import Delivery, DeliveryState
from services.factory.operations import audit
from services.factory.storage import dead_letters, webhooks
from services.factory.storage import deliveries as storage


class Deliveries:
    """Deliveries of one tenant at a time."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(
        self, tenant_id: UUID, endpoint_id: UUID, *, state: DeliveryState | None, before: UUID | None, limit: int
    ) -> Page[Delivery]:
        """Return an endpoint's deliveries, a deleted one's, too, newest first, without their logs. WebhookNotFound."""
        async with self._database.reading() as tx:
            await webhooks.get(tx, tenant_id, endpoint_id, deleted=True)
            return Page.cut(await storage.page(tx, endpoint_id, state=state, below=before, limit=limit + 1), limit)

    async def get(self, tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> Delivery:
        """Return a delivery with its log; WebhookNotFound."""
        async with self._database.reading() as tx:
            await webhooks.get(tx, tenant_id, endpoint_id, deleted=True)
            return await storage.get(tx, endpoint_id, delivery_id)

    async def send_again(
        self, tx: Transaction, tenant_id: UUID, endpoint_id: UUID, which: UUID | datetime, *, who: str
    ) -> int:
        """Send one delivery again, or all that did not arrive of events since a time; return how many.

        Their dead letters count as replayed. WebhookNotFound, WebhookDisabled.
        """
        endpoint = await webhooks.get(tx, tenant_id, endpoint_id, lock=True)
        if endpoint.disabled:
            raise WebhookDisabled
        now = self._clock.now()
        if isinstance(which, UUID):
            again = await storage.send_again(tx, endpoint_id, which, now)
        else:
            again = await storage.send_all_again(tx, endpoint_id, which, now)
        subjects = [str(each) for each in again]
        await dead_letters.resolve(tx, tenant_id, subjects, Resolution.REPLAYED, who=who, reason="", now=now)
        await audit.note(
            tx,
            tenant_id,
            who=who,
            action="webhook.redeliver",
            subject=endpoint_id,
            now=now,
            details={"which": str(which), "count": len(again)},
        )
        return len(again)

    async def replay(self, tx: Transaction, letter: DeadLetter) -> None:
        """Send the delivery of a dead letter again; WebhookNotFound when its endpoint is gone, WebhookDisabled."""
        endpoint_id = UUID(str(letter.payload["endpoint_id"]))
        endpoint = await webhooks.get(tx, letter.tenant_id, endpoint_id, lock=True)
        if endpoint.disabled:
            raise WebhookDisabled
        await storage.send_again(tx, endpoint_id, UUID(letter.subject), self._clock.now())
