"""Settings of tenants, versioned, and the sandbox mark of batches."""

from alembic import op

revision = "0009"
down_revision = "0008"

_TABLES = (
    """
    CREATE TABLE factory.tenant_settings (
        tenant_id UUID NOT NULL,
        version INTEGER NOT NULL,
        verification_base_url TEXT NOT NULL,
        warning_above SMALLINT DEFAULT 40 NOT NULL,
        high_risk_above SMALLINT DEFAULT 70 NOT NULL,
        disabled_factors TEXT[] DEFAULT '{}' NOT NULL,
        languages TEXT[] DEFAULT '{}' NOT NULL,
        sandbox BOOLEAN DEFAULT false NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_by TEXT NOT NULL,
        PRIMARY KEY (tenant_id),
        CONSTRAINT tenant_settings_thresholds CHECK (0 <= warning_above AND warning_above <= high_risk_above
                                                     AND high_risk_above <= 100),
        FOREIGN KEY(tenant_id) REFERENCES factory.tenants (tenant_id)
    )
    """,
    """
    CREATE TABLE factory.tenant_settings_history (
        tenant_id UUID NOT NULL,
        version INTEGER NOT NULL,
        settings JSONB NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_by TEXT NOT NULL,
        PRIMARY KEY (tenant_id, version),
        FOREIGN KEY(tenant_id) REFERENCES factory.tenants (tenant_id)
    )
    """,
)


def upgrade() -> None:
    """Make the tables, give every tenant its row, and let Scan read what it obeys."""
    for statement in _TABLES:
        op.execute(statement)
    op.execute(
        """
        INSERT INTO factory.tenant_settings (tenant_id, version, verification_base_url, updated_at, updated_by)
        SELECT tenant_id, 1, verification_base_url, created_at, 'operator' FROM factory.tenants
        """
    )
    op.execute("ALTER TABLE factory.tenants DROP COLUMN verification_base_url")
    op.execute("ALTER TABLE factory.batches ADD COLUMN sandbox BOOLEAN DEFAULT false NOT NULL")
    op.execute("GRANT SELECT, INSERT, UPDATE ON factory.tenant_settings TO voketag_factory")
    op.execute("GRANT SELECT, INSERT ON factory.tenant_settings_history TO voketag_factory")
    op.execute("GRANT SELECT ON factory.tenant_settings TO voketag_scan")
