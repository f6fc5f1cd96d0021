"""Anchors of more than batches: the ledger's checkpoints."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the kind; all anchors of before are batches'."""
    op.execute("ALTER TABLE anchor.anchors ADD COLUMN kind TEXT DEFAULT 'BATCH' NOT NULL")
