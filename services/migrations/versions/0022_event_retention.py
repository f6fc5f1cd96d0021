"""Months of scan events can be dropped, once all that reads them has."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Make the function. Scan may not own its tables (it could drop them all); it may ask for a month to go."""
    op.execute(
        """
        CREATE FUNCTION scan.drop_event_partitions(before date) RETURNS SETOF text
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        -- Dropping waits for scans under way, and new ones queue behind it: not for long, the next run tries again.
        SET lock_timeout = '1s' AS $$
        DECLARE
            last_month text := 'scan_events_' || to_char(date_trunc('month', before) - interval '1 month', 'YYYYMM');
            read_until timestamptz;
            part record;
        BEGIN
            -- The newest scan that the ledger and all of its readers have had. A day is more than any scan can be late.
            SELECT entry.scanned_at - interval '1 day' INTO read_until FROM scan.ledger_entries AS entry
            WHERE entry.entry_index = (SELECT min(next_index) - 1 FROM scan.ledger_cursors);
            FOR part IN
                SELECT child.relname AS name,
                       (to_date(right(child.relname, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC' AS ends
                FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
                WHERE inhparent = 'scan.scan_events'::regclass AND child.relname <= last_month
                ORDER BY child.relname
            LOOP
                CONTINUE WHEN read_until IS NULL OR part.ends > read_until;
                EXECUTE format('DROP TABLE scan.%I', part.name);
                RETURN NEXT part.name;
            END LOOP;
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION scan.drop_event_partitions(date) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION scan.drop_event_partitions(date) TO voketag_scan")
