"""Admin's tables: people."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table and the grants."""
    op.execute(
        """
        CREATE TABLE admin.users (
            user_id UUID NOT NULL,
            email TEXT NOT NULL,
            role TEXT NOT NULL,
            tenant_id UUID,
            password_hash TEXT NOT NULL,
            active BOOLEAN DEFAULT true NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (user_id),
            UNIQUE (email)
        )
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON admin.users TO voketag_admin")
