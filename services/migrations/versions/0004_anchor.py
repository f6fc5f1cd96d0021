"""Anchor's tables: roots, the trees over them, and every transaction that was signed for one."""

from alembic import op

revision = "0004"
down_revision = "0003"

_TABLES = (
    """
    CREATE TABLE anchor.chains (
        chain_id BIGINT NOT NULL,
        sender TEXT NOT NULL,
        waits_for TEXT DEFAULT '' NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (chain_id)
    )
    """,
    """
    CREATE TABLE anchor.anchor_trees (
        tree_id UUID NOT NULL,
        root BYTEA NOT NULL,
        size INTEGER NOT NULL,
        state TEXT NOT NULL,
        chain_id BIGINT NOT NULL,
        contract TEXT,
        sender TEXT,
        nonce BIGINT,
        tx_hash TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        settled_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (tree_id),
        CONSTRAINT anchor_trees_nonce UNIQUE (chain_id, sender, nonce)
    )
    """,
    "CREATE INDEX anchor_trees_open ON anchor.anchor_trees (created_at) WHERE settled_at IS NULL",
    """
    CREATE TABLE anchor.transactions (
        tx_hash TEXT NOT NULL,
        tree_id UUID NOT NULL,
        raw BYTEA,
        gas_limit BIGINT,
        max_fee_wei NUMERIC(78, 0),
        priority_fee_wei NUMERIC(78, 0),
        state TEXT NOT NULL,
        block_number BIGINT,
        block_hash TEXT,
        gas_used BIGINT,
        gas_price_wei NUMERIC(78, 0),
        signed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        broadcast_at TIMESTAMP WITH TIME ZONE,
        mined_at TIMESTAMP WITH TIME ZONE,
        confirmed_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (tx_hash),
        FOREIGN KEY(tree_id) REFERENCES anchor.anchor_trees (tree_id)
    )
    """,
    "CREATE INDEX transactions_tree ON anchor.transactions (tree_id, signed_at)",
    """
    CREATE TABLE anchor.anchors (
        anchor_id UUID NOT NULL,
        batch_id UUID NOT NULL,
        merkle_root BYTEA NOT NULL,
        tree_size BIGINT NOT NULL,
        state TEXT NOT NULL,
        tree_id UUID,
        leaf_index INTEGER,
        inclusion_path BYTEA,
        error TEXT DEFAULT '' NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        confirmed_at TIMESTAMP WITH TIME ZONE,
        report_attempts INTEGER DEFAULT 0 NOT NULL,
        next_report_at TIMESTAMP WITH TIME ZONE,
        reported_at TIMESTAMP WITH TIME ZONE,
        PRIMARY KEY (anchor_id),
        CONSTRAINT anchors_leaf UNIQUE (tree_id, leaf_index),
        UNIQUE (batch_id),
        FOREIGN KEY(tree_id) REFERENCES anchor.anchor_trees (tree_id)
    )
    """,
    "CREATE INDEX anchors_listing ON anchor.anchors (state, anchor_id)",
    "CREATE INDEX anchors_waiting ON anchor.anchors (anchor_id) WHERE state = 'PENDING' AND tree_id IS NULL",
    """
    CREATE INDEX anchors_unreported ON anchor.anchors (next_report_at)
    WHERE next_report_at IS NOT NULL AND reported_at IS NULL
    """,
)


def upgrade() -> None:
    """Make the tables and the grants. Nothing is ever deleted: the rows are evidence."""
    for statement in _TABLES:
        op.execute(statement)
    op.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA anchor TO voketag_anchor")
