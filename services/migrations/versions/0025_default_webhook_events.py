"""Tenants say what new webhook endpoints are told of when they do not say."""

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Add the setting; until now that was everything."""
    op.execute("ALTER TABLE factory.tenant_settings ADD COLUMN default_webhook_events TEXT[] DEFAULT '{}' NOT NULL")
