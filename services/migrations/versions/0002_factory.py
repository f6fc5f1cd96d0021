"""Factory's tables: tenants, keys, products, batches, units and what keeps them whole."""

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = (
    """
    CREATE TABLE factory.idempotency (
        tenant_id UUID NOT NULL,
        method TEXT NOT NULL,
        request_id UUID NOT NULL,
        request_hash BYTEA NOT NULL,
        response BYTEA,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (tenant_id, method, request_id)
    )
    """,
    "CREATE INDEX idempotency_age ON factory.idempotency (created_at)",
    """
    CREATE TABLE factory.outbox (
        event_id UUID NOT NULL,
        tenant_id UUID NOT NULL,
        topic TEXT NOT NULL,
        subject UUID NOT NULL,
        payload JSONB NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        published_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (event_id)
    )
    """,
    "CREATE INDEX outbox_waiting ON factory.outbox (created_at) WHERE published_at IS NULL",
    """
    CREATE TABLE factory.signing_keys (
        key_id INTEGER NOT NULL CHECK (key_id BETWEEN 1 AND 65535),
        next_number BIGINT DEFAULT 0 NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (key_id)
    )
    """,
    """
    CREATE TABLE factory.tenants (
        tenant_id UUID NOT NULL,
        name TEXT NOT NULL,
        verification_base_url TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (tenant_id)
    )
    """,
    """
    CREATE TABLE factory.units (
        unit_id BIGINT NOT NULL,
        batch_id UUID NOT NULL,
        serial TEXT NOT NULL,
        state SMALLINT DEFAULT 1 NOT NULL,
        state_reason SMALLINT DEFAULT 0 NOT NULL,
        PRIMARY KEY (unit_id)
    )
     PARTITION BY RANGE (unit_id)
    """,
    """
    CREATE TABLE factory.api_keys (
        key_id TEXT NOT NULL,
        tenant_id UUID NOT NULL,
        name TEXT NOT NULL,
        secret_hash BYTEA NOT NULL,
        scopes TEXT[] NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE,
        last_used_at TIMESTAMP WITH TIME ZONE,
        revoked_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (key_id),
        FOREIGN KEY(tenant_id) REFERENCES factory.tenants (tenant_id)
    )
    """,
    "CREATE INDEX api_keys_listing ON factory.api_keys (tenant_id, created_at, key_id)",
    """
    CREATE TABLE factory.products (
        product_id UUID NOT NULL,
        tenant_id UUID NOT NULL,
        sku TEXT NOT NULL,
        name TEXT NOT NULL,
        gtin TEXT DEFAULT '' NOT NULL,
        category TEXT DEFAULT '' NOT NULL,
        description TEXT DEFAULT '' NOT NULL,
        markets TEXT[] DEFAULT '{}' NOT NULL,
        image_url TEXT DEFAULT '' NOT NULL,
        metadata JSONB DEFAULT '{}' NOT NULL,
        archived_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (product_id),
        CONSTRAINT products_tenant_sku UNIQUE (tenant_id, sku),
        FOREIGN KEY(tenant_id) REFERENCES factory.tenants (tenant_id)
    )
    """,
    "CREATE INDEX products_listing ON factory.products (tenant_id, product_id)",
    """
    CREATE TABLE factory.batches (
        batch_id UUID NOT NULL,
        tenant_id UUID NOT NULL,
        product_id UUID NOT NULL,
        quantity INTEGER NOT NULL,
        state TEXT NOT NULL,
        key_id INTEGER NOT NULL,
        first_number BIGINT NOT NULL,
        lot TEXT DEFAULT '' NOT NULL,
        manufactured_at DATE,
        expires_at DATE,
        metadata JSONB DEFAULT '{}' NOT NULL,
        facts TEXT,
        issued_count INTEGER DEFAULT 0 NOT NULL,
        merkle_root BYTEA,
        lease_token UUID,
        lease_until TIMESTAMP WITH TIME ZONE,
        attempts INTEGER DEFAULT 0 NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE NOT NULL,
        error TEXT DEFAULT '' NOT NULL,
        anchor_tx_hash TEXT,
        anchor_block_number BIGINT,
        anchor_chain_id BIGINT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        completed_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (batch_id),
        CONSTRAINT batches_quantity CHECK (quantity BETWEEN 1 AND 1000000),
        CONSTRAINT batches_range UNIQUE (key_id, first_number),
        FOREIGN KEY(tenant_id) REFERENCES factory.tenants (tenant_id),
        FOREIGN KEY(product_id) REFERENCES factory.products (product_id),
        FOREIGN KEY(key_id) REFERENCES factory.signing_keys (key_id)
    )
    """,
    "CREATE INDEX batches_due ON factory.batches (due_at) WHERE state IN ('PENDING', 'ISSUING', 'ANCHORING')",
    "CREATE INDEX batches_listing ON factory.batches (tenant_id, batch_id)",
    """
    CREATE TABLE factory.batch_tiles (
        batch_id UUID NOT NULL,
        level SMALLINT NOT NULL,
        tile_index INTEGER NOT NULL,
        hashes BYTEA NOT NULL,
        PRIMARY KEY (batch_id, level, tile_index),
        FOREIGN KEY(batch_id) REFERENCES factory.batches (batch_id)
    )
    """,
)


def upgrade() -> None:
    """Make the tables, the function that makes unit partitions, and the grants."""
    for statement in _TABLES:
        op.execute(statement)
    # The service may not own its tables (it could drop them); it may ask for a partition.
    op.execute(
        """
        CREATE FUNCTION factory.ensure_unit_partition(first_unit_id bigint) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            part bigint := first_unit_id >> 24;
            name text := format('units_%s', part);
        BEGIN
            IF to_regclass('factory.' || name) IS NOT NULL THEN RETURN; END IF;
            PERFORM pg_advisory_xact_lock(hashtext('factory.units'));
            -- Was nobody faster? The catalog tells; to_regclass would repeat what it has just remembered.
            IF NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'factory'::regnamespace AND relname = name) THEN
                -- Made apart and attached: CREATE TABLE ... PARTITION OF would wait for every reader of units, and
                -- scans would queue behind it.
                EXECUTE format('CREATE TABLE factory.%I (LIKE factory.units INCLUDING ALL)', name);
                EXECUTE format('ALTER TABLE factory.units ATTACH PARTITION factory.%I FOR VALUES FROM (%s) TO (%s)',
                               name, part << 24, (part + 1) << 24);
            END IF;
        END $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION factory.ensure_unit_partition(bigint) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION factory.ensure_unit_partition(bigint) TO voketag_factory")
    op.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA factory TO voketag_factory")
    op.execute("GRANT DELETE ON factory.idempotency, factory.outbox TO voketag_factory")
