"""A schema and a role for each service. Only the owning service writes a schema's tables."""

from alembic import op

revision = "0001"
down_revision = None

_SERVICES = ("factory", "scan", "anchor", "admin")


def upgrade() -> None:
    """Make schemas and roles. Roles belong to the whole cluster, so they may exist."""
    for service in _SERVICES:
        op.execute(f"CREATE SCHEMA {service}")
        op.execute(
            f"""
            DO $$ BEGIN CREATE ROLE voketag_{service} LOGIN;
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
            """
        )
        op.execute(f"GRANT USAGE ON SCHEMA {service} TO voketag_{service}")
