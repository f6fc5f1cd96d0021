"""The ledger of scans: which event is which entry, the tree's tiles, and the signed checkpoints."""

from alembic import op

revision = "0007"
down_revision = "0006"

_TABLES = (
    """
    CREATE TABLE scan.ledger_state (
        one BOOLEAN DEFAULT true NOT NULL CHECK (one),
        size BIGINT NOT NULL,
        last_hash BYTEA NOT NULL,
        xact_cursor XID8 NOT NULL,
        PRIMARY KEY (one)
    )
    """,
    """
    CREATE TABLE scan.ledger_entries (
        entry_index BIGINT NOT NULL,
        verification_id UUID NOT NULL,
        scanned_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (entry_index),
        UNIQUE (verification_id)
    )
    """,
    """
    CREATE TABLE scan.ledger_tiles (
        level SMALLINT NOT NULL,
        tile_index BIGINT NOT NULL,
        hashes BYTEA NOT NULL,
        PRIMARY KEY (level, tile_index)
    )
    """,
    """
    CREATE TABLE scan.ledger_checkpoints (
        size BIGINT NOT NULL,
        root BYTEA NOT NULL,
        note TEXT NOT NULL,
        signed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        anchor_id UUID,
        PRIMARY KEY (size)
    )
    """,
    """
    CREATE TABLE scan.ledger_cursors (
        consumer TEXT NOT NULL,
        next_index BIGINT NOT NULL,
        PRIMARY KEY (consumer)
    )
    """,
)


def upgrade() -> None:
    """Make the tables and the grants. Entries are added and never changed; only the right edge of the tree grows."""
    # The transaction that wrote an event: what is below the oldest transaction under way is committed for good, so
    # nothing can still appear behind a cursor that stands there.
    op.execute("ALTER TABLE scan.scan_events ADD COLUMN xact_id XID8 DEFAULT pg_current_xact_id() NOT NULL")
    op.execute("CREATE INDEX scan_events_xact ON scan.scan_events (xact_id)")
    for statement in _TABLES:
        op.execute(statement)
    op.execute(
        "INSERT INTO scan.ledger_state (size, last_hash, xact_cursor) "
        "VALUES (0, decode(repeat('00', 32), 'hex'), '0'::xid8)"
    )
    op.execute("INSERT INTO scan.ledger_cursors (consumer, next_index) VALUES ('notices', 0)")
    op.execute("GRANT SELECT, UPDATE ON scan.ledger_state TO voketag_scan")
    op.execute("GRANT SELECT, INSERT ON scan.ledger_entries TO voketag_scan")
    op.execute("GRANT SELECT, INSERT, UPDATE ON scan.ledger_tiles TO voketag_scan")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON scan.ledger_checkpoints TO voketag_scan")
    op.execute("GRANT SELECT, INSERT, UPDATE ON scan.ledger_cursors TO voketag_scan")
