"""What scanning devices said of themselves, in the clear, for operators who choose to keep it for some hours."""

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Make the table; it stays empty unless a setting says otherwise."""
    op.execute("""
        CREATE TABLE scan.device_hints (
            verification_id UUID NOT NULL,
            scanned_at TIMESTAMP WITH TIME ZONE NOT NULL,
            address TEXT NOT NULL,
            user_agent TEXT NOT NULL,
            languages TEXT NOT NULL,
            screen TEXT NOT NULL,
            time_zone TEXT NOT NULL,
            PRIMARY KEY (verification_id)
        )
    """)
    op.execute("CREATE INDEX device_hints_time ON scan.device_hints (scanned_at)")
    op.execute("GRANT SELECT, INSERT, DELETE ON scan.device_hints TO voketag_scan")
