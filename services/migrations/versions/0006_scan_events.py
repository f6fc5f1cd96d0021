"""Scan events say whose unit it was, where it was about, and whether it had been scanned before."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns; events of before get what the registry says of them."""
    op.execute(
        """
        ALTER TABLE scan.scan_events
            ADD COLUMN tenant_id UUID,
            ADD COLUMN product_id UUID,
            ADD COLUMN cell TEXT NOT NULL DEFAULT '',
            ADD COLUMN duplicate BOOLEAN NOT NULL DEFAULT false
        """
    )
    op.execute(
        """
        UPDATE scan.scan_events AS event SET tenant_id = batch.tenant_id, product_id = batch.product_id
        FROM factory.batches AS batch WHERE batch.batch_id = event.batch_id
        """
    )
    op.execute(
        """
        ALTER TABLE scan.scan_events
            ALTER COLUMN tenant_id SET NOT NULL,
            ALTER COLUMN product_id SET NOT NULL,
            ALTER COLUMN cell DROP DEFAULT,
            ALTER COLUMN duplicate DROP DEFAULT
        """
    )
