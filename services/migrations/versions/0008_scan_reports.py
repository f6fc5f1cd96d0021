"""Consumers' reports, the watch that they put on a unit, and the notices that wait for Factory."""

from alembic import op

revision = "0008"
down_revision = "0007"

_TABLES = (
    """
    CREATE TABLE scan.reports (
        report_id UUID NOT NULL,
        unit_id BIGINT NOT NULL,
        batch_id UUID NOT NULL,
        tenant_id UUID NOT NULL,
        verification_id UUID,
        reason TEXT NOT NULL,
        details TEXT NOT NULL,
        device_hash BYTEA NOT NULL,
        address_hash BYTEA NOT NULL,
        request_id UUID,
        reported_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (report_id),
        CONSTRAINT reports_once UNIQUE (unit_id, device_hash),
        UNIQUE (request_id)
    )
    """,
    "CREATE INDEX reports_address ON scan.reports (address_hash, reported_at)",
    """
    CREATE TABLE scan.unit_watch (
        unit_id BIGINT NOT NULL,
        reports INTEGER NOT NULL,
        since TIMESTAMP WITH TIME ZONE NOT NULL,
        last_report_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (unit_id)
    )
    """,
    """
    CREATE TABLE scan.notices (
        notice_id UUID NOT NULL,
        kind TEXT NOT NULL,
        tenant_id UUID NOT NULL,
        unit_id BIGINT NOT NULL,
        batch_id UUID NOT NULL,
        occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
        details JSONB NOT NULL,
        sent_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (notice_id)
    )
    """,
    "CREATE INDEX notices_waiting ON scan.notices (occurred_at) WHERE sent_at IS NULL",
)


def upgrade() -> None:
    """Make the tables and the grants. A report is never changed; it goes when its time is over."""
    for statement in _TABLES:
        op.execute(statement)
    op.execute("GRANT SELECT, INSERT, DELETE ON scan.reports TO voketag_scan")
    op.execute("GRANT SELECT, INSERT, UPDATE ON scan.unit_watch TO voketag_scan")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON scan.notices TO voketag_scan")
