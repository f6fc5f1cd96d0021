"""A refused transaction sends its roots back to the line, and its chain pauses before the next one."""

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Add what the pause is reckoned from, and put back what was given up until now: its batches are completed yet."""
    op.execute(
        "ALTER TABLE anchor.chains ADD COLUMN refusals INTEGER DEFAULT 0 NOT NULL,"
        " ADD COLUMN refusal TEXT DEFAULT '' NOT NULL,"
        " ADD COLUMN refused_at TIMESTAMP WITH TIME ZONE,"
        " ADD COLUMN held_until TIMESTAMP WITH TIME ZONE"
    )
    op.execute(
        "UPDATE anchor.anchors SET state = 'PENDING', tree_id = NULL, leaf_index = NULL, inclusion_path = NULL,"
        " report_attempts = 0, next_report_at = NULL, reported_at = NULL WHERE state = 'FAILED'"
    )
