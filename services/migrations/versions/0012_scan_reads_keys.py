"""Scan recognises API keys, for their holders' limits. It sees neither names, scopes nor tenants of keys."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Grant the columns that recognising takes."""
    op.execute("GRANT SELECT (key_id, secret_hash, expires_at, revoked_at) ON factory.api_keys TO voketag_scan")
