"""The last reason for which nothing moved on a chain stays when all is well again."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the reason and its time."""
    op.execute(
        "ALTER TABLE anchor.chains ADD COLUMN last_error TEXT DEFAULT '' NOT NULL,"
        " ADD COLUMN last_error_at TIMESTAMP WITH TIME ZONE"
    )
