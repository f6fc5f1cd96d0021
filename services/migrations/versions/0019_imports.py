"""Imported batches: their rows, their serials, and reports of files that were refused; when a unit's state changed."""

from alembic import op

revision = "0019"
down_revision = "0018"

_TABLES = (
    """
    CREATE TABLE factory.imports (
        batch_id UUID NOT NULL,
        columns TEXT[] NOT NULL,
        file_hash BYTEA NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        freed_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (batch_id),
        FOREIGN KEY(batch_id) REFERENCES factory.batches (batch_id)
    )
    """,
    # Kept as it is: compressing a million rows takes longer than writing them.
    """
    CREATE TABLE factory.import_rows (
        batch_id UUID NOT NULL,
        tile_index INTEGER NOT NULL,
        rows TEXT STORAGE EXTERNAL NOT NULL,
        PRIMARY KEY (batch_id, tile_index)
    )
    """,
    # Compared byte by byte: the database's collation would make every look-up several times as slow.
    """
    CREATE TABLE factory.serials (
        tenant_id UUID NOT NULL,
        serial TEXT COLLATE "C" NOT NULL,
        batch_id UUID NOT NULL,
        unit_index INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, serial)
    )
    """,
    """
    CREATE TABLE factory.import_reports (
        import_id UUID NOT NULL,
        tenant_id UUID NOT NULL,
        rows INTEGER NOT NULL,
        total INTEGER NOT NULL,
        faults JSONB NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (import_id)
    )
    """,
    "CREATE INDEX import_reports_age ON factory.import_reports (created_at)",
)


def upgrade() -> None:
    """Make the tables, the index that finds a batch by its serials, and the grants."""
    for statement in _TABLES:
        op.execute(statement)
    op.execute('CREATE INDEX batches_serials ON factory.batches (tenant_id, "right"((batch_id)::text, 16))')
    op.execute("ALTER TABLE factory.units ADD COLUMN state_changed_at TIMESTAMP WITH TIME ZONE")
    op.execute("GRANT SELECT, INSERT, UPDATE ON factory.imports TO voketag_factory")
    op.execute(
        "GRANT SELECT, INSERT, DELETE ON factory.import_rows, factory.serials, factory.import_reports "
        "TO voketag_factory"
    )
