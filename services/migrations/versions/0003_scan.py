"""Scan's tables: every scan, and the counters of each unit."""

from alembic import op

revision = "0003"
down_revision = "0002"

_TABLES = (
    """
    CREATE TABLE scan.scan_events (
        verification_id UUID NOT NULL,
        unit_id BIGINT NOT NULL,
        batch_id UUID NOT NULL,
        scanned_at TIMESTAMP WITH TIME ZONE NOT NULL,
        verdict SMALLINT NOT NULL,
        risk_score SMALLINT NOT NULL,
        risk_factors TEXT[] NOT NULL,
        country TEXT NOT NULL,
        device_hash BYTEA NOT NULL,
        address_hash BYTEA NOT NULL,
        degraded BOOLEAN NOT NULL,
        PRIMARY KEY (verification_id, scanned_at)
    )
     PARTITION BY RANGE (scanned_at)
    """,
    "CREATE INDEX scan_events_unit ON scan.scan_events (unit_id, scanned_at)",
    """
    CREATE TABLE scan.unit_scans (
        unit_id BIGINT NOT NULL,
        first_scan_at TIMESTAMP WITH TIME ZONE NOT NULL,
        last_scan_at TIMESTAMP WITH TIME ZONE NOT NULL,
        total_scans BIGINT NOT NULL,
        PRIMARY KEY (unit_id)
    )
     WITH (fillfactor = 70)
    """,
)


def upgrade() -> None:
    """Make the tables, the function that makes monthly partitions, and the grants."""
    for statement in _TABLES:
        op.execute(statement)
    # The service may not own its tables (it could drop them); it may ask for a partition.
    op.execute(
        """
        CREATE FUNCTION scan.ensure_event_partition(month date) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            first date := date_trunc('month', month)::date;
            next date := (first + interval '1 month')::date;
            name text := 'scan_events_' || to_char(first, 'YYYYMM');
        BEGIN
            IF to_regclass('scan.' || name) IS NOT NULL THEN RETURN; END IF;
            PERFORM pg_advisory_xact_lock(hashtext('scan.scan_events'));
            -- Was nobody faster? The catalog tells; to_regclass would repeat what it has just remembered.
            IF NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'scan'::regnamespace AND relname = name) THEN
                -- Made apart and attached: CREATE TABLE ... PARTITION OF would wait for every scan under way, and
                -- new ones would queue behind it.
                EXECUTE format('CREATE TABLE scan.%I (LIKE scan.scan_events INCLUDING ALL)', name);
                EXECUTE format('ALTER TABLE scan.scan_events ATTACH PARTITION scan.%I FOR VALUES FROM (%L) TO (%L)',
                               name, first || ' 00:00:00+00', next || ' 00:00:00+00');
            END IF;
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION scan.ensure_event_partition(date) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION scan.ensure_event_partition(date) TO voketag_scan")
    op.execute("GRANT SELECT, INSERT ON scan.scan_events TO voketag_scan")
    op.execute("GRANT SELECT, INSERT, UPDATE ON scan.unit_scans TO voketag_scan")
    op.execute("GRANT USAGE ON SCHEMA factory TO voketag_scan")
    op.execute("GRANT SELECT ON factory.products, factory.batches, factory.units TO voketag_scan")
