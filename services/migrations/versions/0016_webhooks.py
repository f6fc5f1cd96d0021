"""Webhook endpoints and deliveries, dead letters; events about things whose id is no UUID."""

from alembic import op

revision = "0016"
down_revision = "0015"

_TABLES = (
    """
    CREATE TABLE factory.webhook_endpoints (
        endpoint_id UUID NOT NULL,
        tenant_id UUID NOT NULL,
        url TEXT NOT NULL,
        events TEXT[] DEFAULT '{}' NOT NULL,
        description TEXT DEFAULT '' NOT NULL,
        disabled BOOLEAN DEFAULT false NOT NULL,
        disabled_reason TEXT DEFAULT '' NOT NULL,
        secret BYTEA NOT NULL,
        previous_secret BYTEA,
        previous_secret_until TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        deleted_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (endpoint_id),
        FOREIGN KEY(tenant_id) REFERENCES factory.tenants (tenant_id)
    )
    """,
    "CREATE INDEX webhook_endpoints_listing ON factory.webhook_endpoints (tenant_id, endpoint_id)",
    """
    CREATE TABLE factory.webhook_deliveries (
        delivery_id UUID NOT NULL,
        endpoint_id UUID NOT NULL,
        tenant_id UUID NOT NULL,
        event_id UUID NOT NULL,
        topic TEXT NOT NULL,
        body TEXT NOT NULL,
        state TEXT NOT NULL,
        tries INTEGER DEFAULT 0 NOT NULL,
        attempts INTEGER DEFAULT 0 NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (delivery_id),
        CONSTRAINT webhook_deliveries_once UNIQUE (endpoint_id, event_id),
        FOREIGN KEY(endpoint_id) REFERENCES factory.webhook_endpoints (endpoint_id)
    )
    """,
    "CREATE INDEX webhook_deliveries_due ON factory.webhook_deliveries (endpoint_id, due_at) WHERE state = 'PENDING'",
    "CREATE INDEX webhook_deliveries_listing ON factory.webhook_deliveries (endpoint_id, delivery_id)",
    "CREATE INDEX webhook_deliveries_age ON factory.webhook_deliveries (created_at)",
    """
    CREATE TABLE factory.webhook_attempts (
        delivery_id UUID NOT NULL,
        number INTEGER NOT NULL,
        attempted_at TIMESTAMP WITH TIME ZONE NOT NULL,
        url TEXT NOT NULL,
        status INTEGER DEFAULT 0 NOT NULL,
        latency_ms INTEGER DEFAULT 0 NOT NULL,
        response_excerpt TEXT DEFAULT '' NOT NULL,
        error TEXT DEFAULT '' NOT NULL,
        PRIMARY KEY (delivery_id, number),
        FOREIGN KEY(delivery_id) REFERENCES factory.webhook_deliveries (delivery_id) ON DELETE CASCADE
    )
    """,
    """
    CREATE TABLE factory.dead_letters (
        dead_letter_id UUID NOT NULL,
        tenant_id UUID NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        cause TEXT NOT NULL,
        payload JSONB NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        resolved_at TIMESTAMP WITH TIME ZONE,
        resolution TEXT DEFAULT '' NOT NULL,
        resolved_by TEXT DEFAULT '' NOT NULL,
        reason TEXT DEFAULT '' NOT NULL,
        PRIMARY KEY (dead_letter_id)
    )
    """,
    "CREATE INDEX dead_letters_listing ON factory.dead_letters (tenant_id, dead_letter_id)",
    "CREATE INDEX dead_letters_waiting ON factory.dead_letters (created_at) WHERE resolved_at IS NULL",
    "CREATE INDEX dead_letters_subject ON factory.dead_letters (subject) WHERE resolved_at IS NULL",
    "CREATE INDEX dead_letters_resolved ON factory.dead_letters (resolved_at) WHERE resolved_at IS NOT NULL",
    "CREATE INDEX outbox_published ON factory.outbox (published_at) WHERE published_at IS NOT NULL",
)


def upgrade() -> None:
    """Make the tables. The service deletes what has had its time."""
    for statement in _TABLES:
        op.execute(statement)
    op.execute("ALTER TABLE factory.outbox ALTER COLUMN subject TYPE TEXT USING subject::text")
    tables = "factory.webhook_endpoints, factory.webhook_deliveries, factory.webhook_attempts, factory.dead_letters"
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO voketag_factory")
