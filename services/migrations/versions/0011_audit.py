"""The audit of Factory: who did what, when and why."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the table. The service may add and read rows; it may not change or delete one."""
    op.execute(
        """
        CREATE TABLE factory.audit (
            audit_id UUID NOT NULL,
            tenant_id UUID NOT NULL,
            who TEXT NOT NULL,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            reason TEXT DEFAULT '' NOT NULL,
            details JSONB DEFAULT '{}' NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (audit_id)
        )
        """
    )
    op.execute("CREATE INDEX audit_listing ON factory.audit (tenant_id, audit_id)")
    op.execute("GRANT SELECT, INSERT ON factory.audit TO voketag_factory")
