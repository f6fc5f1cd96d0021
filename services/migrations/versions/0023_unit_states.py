"""Jobs that change the states of many units."""

from alembic import op

revision = "0023"
down_revision = "0022"

_TABLES = (
    """
    CREATE TABLE factory.unit_state_jobs (
        job_id UUID NOT NULL,
        tenant_id UUID NOT NULL,
        state TEXT NOT NULL,
        batch_id UUID,
        first_unit_id BIGINT,
        unit_state SMALLINT NOT NULL,
        reason SMALLINT NOT NULL,
        total INTEGER NOT NULL,
        done INTEGER DEFAULT 0 NOT NULL,
        changed INTEGER DEFAULT 0 NOT NULL,
        missing TEXT[] DEFAULT '{}' NOT NULL,
        missing_count INTEGER DEFAULT 0 NOT NULL,
        error TEXT DEFAULT '' NOT NULL,
        created_by TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        finished_at TIMESTAMP WITH TIME ZONE,
        lease_token UUID,
        lease_until TIMESTAMP WITH TIME ZONE,
        attempts INTEGER DEFAULT 0 NOT NULL,
        due_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (job_id)
    )
    """,
    "CREATE INDEX unit_state_jobs_listing ON factory.unit_state_jobs (tenant_id, job_id)",
    "CREATE INDEX unit_state_jobs_due ON factory.unit_state_jobs (due_at) WHERE finished_at IS NULL",
    """
    CREATE TABLE factory.unit_state_job_serials (
        job_id UUID NOT NULL,
        start INTEGER NOT NULL,
        serials TEXT NOT NULL,
        PRIMARY KEY (job_id, start)
    )
    """,
)


def upgrade() -> None:
    """Make the tables and the grants."""
    for statement in _TABLES:
        op.execute(statement)
    op.execute("GRANT SELECT, INSERT, UPDATE ON factory.unit_state_jobs TO voketag_factory")
    op.execute("GRANT SELECT, INSERT, DELETE ON factory.unit_state_job_serials TO voketag_factory")
