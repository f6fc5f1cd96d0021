"""In which minutes of a day a tenant has scans of a batch, product, country or verdict: where filtered lists look."""

from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Make the table, and fill it from the events that are in the sums already. Minutes too many do no harm."""
    op.execute("""
        CREATE TABLE scan.scan_facets_daily (
            tenant_id UUID NOT NULL,
            facet TEXT NOT NULL,
            starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
            minutes BIT(1440) NOT NULL,
            PRIMARY KEY (tenant_id, facet, starts_at)
        )
    """)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON scan.scan_facets_daily TO voketag_scan")
    op.execute("""
        INSERT INTO scan.scan_facets_daily
        SELECT tenant_id, facet, date_trunc('day', minute, 'UTC'),
               bit_or(set_bit(repeat('0', 1440)::bit(1440), (extract(epoch FROM minute)::bigint / 60 % 1440)::int, 1))
        FROM (
            SELECT DISTINCT tenant_id, facet, date_trunc('minute', scanned_at, 'UTC') AS minute
            FROM scan.scan_events CROSS JOIN LATERAL (
                VALUES ('batch:' || batch_id), ('product:' || product_id), ('country:' || country),
                       ('verdict:' || verdict), (CASE WHEN duplicate THEN 'duplicate' END)
            ) AS has (facet)
            WHERE facet IS NOT NULL
        ) AS minutes
        GROUP BY 1, 2, 3
    """)
