"""Anchors on several chains: a row for each chain that a batch's root goes to."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Name the chain of each anchor, and its place among its batch's; all anchors of before are on the first chain."""
    op.execute(
        """
        ALTER TABLE anchor.anchors
            ADD COLUMN chain TEXT DEFAULT 'main' NOT NULL,
            ADD COLUMN position SMALLINT DEFAULT 0 NOT NULL,
            DROP CONSTRAINT anchors_batch_id_key,
            ADD CONSTRAINT anchors_chain UNIQUE (batch_id, chain),
            ADD CONSTRAINT anchors_position UNIQUE (batch_id, position)
        """
    )
    op.execute("DROP INDEX anchor.anchors_waiting")
    op.execute(
        """
        CREATE INDEX anchors_waiting ON anchor.anchors (chain, anchor_id)
        WHERE state = 'PENDING' AND tree_id IS NULL
        """
    )
