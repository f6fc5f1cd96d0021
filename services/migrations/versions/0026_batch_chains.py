"""Batches whose root goes to chains of the partner's choice."""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Add the names; the batches of before go to the default chain."""
    op.execute("ALTER TABLE factory.batches ADD COLUMN chains TEXT[] DEFAULT '{}' NOT NULL")
