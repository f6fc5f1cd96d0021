"""When batches will be issued, from what was measured lately."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text

from services.common.database import Transaction

# The rate is a batch's own once it has units, before that the one of the last twenty batches. Before a batch come the
# tenant's own of a higher priority or an earlier order, and of every other tenant at most as many units, since turns
# are taken. A batch that two workers could do at once is thought of as waiting: an estimate may be late.
_ESTIMATES = text(
    """
    WITH waiting AS MATERIALIZED (
        SELECT batch_id, tenant_id, priority, issued_count, issuing_seconds, quantity - issued_count AS units
        FROM factory.batches
        WHERE state IN ('PENDING', 'ISSUING') AND paused_at IS NULL
    ), lately AS MATERIALIZED (
        SELECT sum(issued_count) / sum(issuing_seconds) AS rate
        FROM (
            SELECT issued_count, issuing_seconds FROM factory.batches WHERE issuing_seconds > 0
            ORDER BY batch_id DESC LIMIT 20
        ) AS measured
    )
    SELECT mine.batch_id,
           now() + make_interval(secs => (mine.units + own.units + others.units)
               / coalesce(mine.issued_count / nullif(mine.issuing_seconds, 0), lately.rate)) AS at
    FROM waiting AS mine
    CROSS JOIN lately
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(units), 0) AS units FROM waiting
        WHERE tenant_id = mine.tenant_id
          AND (priority > mine.priority OR priority = mine.priority AND batch_id < mine.batch_id)
    ) AS own
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(least(tenant.units, mine.units + own.units)), 0) AS units
        FROM (SELECT sum(units) AS units FROM waiting WHERE tenant_id <> mine.tenant_id GROUP BY tenant_id) AS tenant
    ) AS others
    WHERE mine.batch_id = ANY(:batch_ids)
    """
).bindparams(bindparam("batch_ids", type_=ARRAY(Uuid)))


async def completion_times(tx: Transaction, batch_ids: Collection[UUID]) -> dict[UUID, datetime]:
    """Return when those of the batches that wait for units will have them; none while nothing was ever measured."""
    if not batch_ids:
        return {}
    found = await tx.connection.execute(_ESTIMATES, {"batch_ids": list(batch_ids)})
    return {row.batch_id: row.at for row in found if row.at is not None}
