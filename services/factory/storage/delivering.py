"""Trying deliveries: who has which, and how it went. Also what the worker shows of them.

A delivery in hand is one whose `due_at` lies ahead: when that time comes, whoever had it is believed dead, and it is
due again. `attempts` fences: it grows with every claim, and what a late worker learned counts only where nobody tried
since. Alternatives considered: a lease of its own (token and time), which is two columns for what these two say
already; and a queue in Valkey, which may be flushed at any time.

`due_at` is compared with the worker's clock, unlike a batch's lease, so that tests can move hours; clocks that differ
by less than the lease cost a delivery that comes twice with the same id, which receivers must bear with anyway.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, null, select, text, update
from sqlalchemy.types import ARRAY, DateTime, Uuid

from services.common.database import Transaction
from services.factory.model.webhooks import INTERRUPTED, Answer, Claim, DeliveryState
from services.factory.storage.deliveries import to_delivery
from services.factory.storage.webhooks import secrets_of
from services.factory.tables import webhook_attempts as log
from services.factory.tables import webhook_deliveries as table

# One delivery an endpoint: whoever has thousands waiting gets no more of a round than whoever has one. The inner SELECT
# is a probe of one index per endpoint, so that a backlog costs nothing; endpoints are few (20 a tenant at most).
_CLAIM = text(
    """
    WITH due AS (
        SELECT picked.delivery_id
        FROM factory.webhook_endpoints AS e
        CROSS JOIN LATERAL (
            SELECT d.delivery_id, d.due_at
            FROM factory.webhook_deliveries AS d
            WHERE d.endpoint_id = e.endpoint_id AND d.state = 'PENDING' AND d.due_at <= :now
            ORDER BY d.due_at
            LIMIT 1
            FOR UPDATE SKIP LOCKED
        ) AS picked
        WHERE NOT e.disabled AND e.deleted_at IS NULL AND e.endpoint_id <> ALL (:busy)
        ORDER BY picked.due_at
        LIMIT :places
    )
    UPDATE factory.webhook_deliveries AS d
    SET attempts = d.attempts + 1, tries = d.tries + 1, due_at = :until
    FROM due, factory.webhook_endpoints AS e
    WHERE d.delivery_id = due.delivery_id AND e.endpoint_id = d.endpoint_id
    RETURNING d.*, e.url, e.secret, e.previous_secret, e.previous_secret_until
    """
).bindparams(
    bindparam("now", type_=DateTime(timezone=True)),
    bindparam("until", type_=DateTime(timezone=True)),
    bindparam("busy", type_=ARRAY(Uuid)),
)


async def claim(tx: Transaction, *, now: datetime, until: datetime, busy: Collection[UUID], places: int) -> list[Claim]:
    """Take up to `places` due deliveries, one an endpoint and none of the endpoints in `busy`, until a time.

    Each gets its row in the log at once: a worker that dies leaves a try without an outcome, not one that never was.
    """
    found = await tx.connection.execute(_CLAIM, {"now": now, "until": until, "busy": list(busy), "places": places})
    claims = [Claim(delivery=to_delivery(row), tries=row.tries, url=row.url, secrets=secrets_of(row)) for row in found]
    if claims:
        rows = [
            {
                "delivery_id": each.delivery.delivery_id,
                "number": each.delivery.attempts,
                "attempted_at": now,
                "url": each.url,
                "error": INTERRUPTED,
            }
            for each in claims
        ]
        await tx.connection.execute(insert(log).values(rows))
    return claims


async def write_outcome(tx: Transaction, claimed: Claim, answer: Answer) -> None:
    """Write into the log how a try went, however late."""
    await tx.connection.execute(
        update(log)
        .where(log.c.delivery_id == claimed.delivery.delivery_id, log.c.number == claimed.delivery.attempts)
        .values(
            status=answer.status,
            latency_ms=answer.latency_ms,
            response_excerpt=answer.excerpt,
            error=answer.error,
        )
    )


async def mark_delivered(tx: Transaction, claimed: Claim) -> bool:
    """Note that the event arrived; False when something else was tried or decided meanwhile, which changes nothing."""
    ended = {"state": DeliveryState.DELIVERED.name, "due_at": null()}
    expected = update(table).where(*_still_has(claimed)).values(ended).returning(table.c.delivery_id)
    if (await tx.connection.execute(expected)).first() is not None:
        return True
    await tx.connection.execute(update(table).where(table.c.delivery_id == claimed.delivery.delivery_id).values(ended))
    return False


async def postpone(tx: Transaction, claimed: Claim, due_at: datetime) -> None:
    """Put a delivery that failed back in line, unless it was taken, sent again or ended meanwhile."""
    await tx.connection.execute(update(table).where(*_still_has(claimed)).values(due_at=due_at))


async def give_up(tx: Transaction, claimed: Claim) -> bool:
    """End a delivery as FAILED; False when it was taken, sent again or ended meanwhile."""
    ended = (
        update(table)
        .where(*_still_has(claimed))
        .values(state=DeliveryState.FAILED.name, due_at=null())
        .returning(table.c.delivery_id)
    )
    return (await tx.connection.execute(ended)).first() is not None


async def oldest_due(tx: Transaction, now: datetime) -> float:
    """Return for how many seconds the delivery that is due longest has waited for a worker; 0 when none is due."""
    query = select(func.min(table.c.due_at)).where(table.c.state == DeliveryState.PENDING.name, table.c.due_at <= now)
    due_at: datetime | None = (await tx.connection.execute(query)).scalar_one()
    return 0.0 if due_at is None else (now - due_at).total_seconds()


def _still_has(claimed: Claim) -> tuple[Any, ...]:
    return (
        table.c.delivery_id == claimed.delivery.delivery_id,
        table.c.attempts == claimed.delivery.attempts,
        table.c.tries == claimed.tries,  # a redelivery begins at 0
        table.c.state == DeliveryState.PENDING.name,
    )
