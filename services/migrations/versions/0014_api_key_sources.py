"""API keys work from named networks only, and say once that they end soon."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the columns; keys of before work from everywhere."""
    op.execute(
        """
        ALTER TABLE factory.api_keys
            ADD COLUMN allowed_sources TEXT[] DEFAULT '{}' NOT NULL,
            ADD COLUMN expiry_noted_at TIMESTAMP WITH TIME ZONE
        """
    )
    op.execute(
        "CREATE INDEX api_keys_expiring ON factory.api_keys (expires_at) "
        "WHERE expiry_noted_at IS NULL AND revoked_at IS NULL"
    )
