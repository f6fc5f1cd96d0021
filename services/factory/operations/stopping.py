"""What is noted when a batch stops after its last try: the event that tells of it, and a dead letter."""

from services.common.database import Transaction
from services.factory.model.batches import Batch, BatchState
from services.factory.model.dead_letters import BATCH_ANCHORING, BATCH_ISSUING
from services.factory.operations import outbox
from services.factory.operations.dead_letters import bury


async def note_stopped(tx: Transaction, batch: Batch) -> None:
    """Note that a batch has just become FAILED or ANCHOR_FAILED; its error is the cause."""
    await outbox.note(tx, batch, "batch.failed")
    await bury(
        tx,
        batch.tenant_id,
        BATCH_ANCHORING if batch.state is BatchState.ANCHOR_FAILED else BATCH_ISSUING,
        subject=batch.batch_id,
        cause=batch.error,
        payload={
            "product_id": str(batch.product_id),
            "quantity": batch.quantity,
            "issued_count": batch.issued_count,
            "lot": batch.lot,
        },
        now=batch.updated_at,
    )
