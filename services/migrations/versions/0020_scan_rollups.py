"""Sums of scans per hour and day, units that stand out, and the index behind a tenant's list of scans."""

from alembic import op

revision = "0020"
down_revision = "0019"

_ROLLUP = """
    CREATE TABLE scan.{name} (
        tenant_id UUID NOT NULL,
        starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        product_id UUID NOT NULL,
        batch_id UUID NOT NULL,
        country TEXT NOT NULL,
        verdict SMALLINT NOT NULL,
        scans BIGINT NOT NULL,
        duplicates BIGINT NOT NULL,
        PRIMARY KEY (tenant_id, starts_at, product_id, batch_id, country, verdict)
    )
"""
_RISKY = """
    CREATE TABLE scan.risky_units_daily (
        tenant_id UUID NOT NULL,
        starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
        unit_id BIGINT NOT NULL,
        batch_id UUID NOT NULL,
        product_id UUID NOT NULL,
        risk_score SMALLINT NOT NULL,
        scans BIGINT NOT NULL,
        last_scan_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (tenant_id, starts_at, unit_id)
    )
"""


def upgrade() -> None:
    """Make the tables; the worker fills them from the ledger's beginning."""
    for name in ("scan_rollups_hourly", "scan_rollups_daily"):
        op.execute(_ROLLUP.format(name=name))
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON scan.{name} TO voketag_scan")
    op.execute(_RISKY)
    op.execute("GRANT SELECT, INSERT, UPDATE ON scan.risky_units_daily TO voketag_scan")
    op.execute("INSERT INTO scan.ledger_cursors (consumer, next_index) VALUES ('rollups', 0)")
    op.execute("CREATE INDEX scan_events_listing ON scan.scan_events (tenant_id, scanned_at, verification_id)")
