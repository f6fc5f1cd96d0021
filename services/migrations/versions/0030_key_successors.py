"""A key that was rotated names its successor, so that nobody rotates it again."""

from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Add the column; keys that were rotated before name nobody."""
    op.execute("ALTER TABLE factory.api_keys ADD COLUMN successor_id TEXT")
