"""Batches: priorities, turns between tenants, pausing, and what estimates are made of."""

from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the columns and the table of turns."""
    op.execute(
        """
        ALTER TABLE factory.batches
            ADD COLUMN priority SMALLINT DEFAULT 2 NOT NULL,
            ADD COLUMN paused_at TIMESTAMP WITH TIME ZONE,
            ADD COLUMN issuing_seconds DOUBLE PRECISION DEFAULT 0 NOT NULL
        """
    )
    op.execute(
        """
        CREATE TABLE factory.issuing_turns (
            tenant_id UUID NOT NULL,
            turn_at TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (tenant_id),
            FOREIGN KEY(tenant_id) REFERENCES factory.tenants (tenant_id)
        )
        """
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON factory.issuing_turns TO voketag_factory")
    # Tiles are hashes: an attempt to compress them is time lost.
    op.execute("ALTER TABLE factory.batch_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL")
