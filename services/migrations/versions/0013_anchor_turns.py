"""Anchors take turns: whose each is, and which are urgent."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add both; the anchors of before are the platform's own, and not urgent."""
    op.execute("ALTER TABLE anchor.anchors ADD COLUMN tenant_id UUID, ADD COLUMN urgent BOOLEAN DEFAULT false NOT NULL")
