"""Tenants say whether their codes are printed or written to NFC tags."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the setting; versions of before were for QR codes."""
    op.execute("ALTER TABLE factory.tenant_settings ADD COLUMN default_tag_type TEXT DEFAULT 'QR' NOT NULL")
