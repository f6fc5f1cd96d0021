"""Anchor: the genesis block of each chain, and the transactions that fill gaps in our nonces."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add both. Nothing is ever deleted: the rows are evidence."""
    op.execute("ALTER TABLE anchor.chains ADD COLUMN genesis_hash TEXT")
    op.execute(
        """
        CREATE TABLE anchor.fillers (
            tx_hash TEXT NOT NULL,
            chain_id BIGINT NOT NULL,
            sender TEXT NOT NULL,
            nonce BIGINT NOT NULL,
            raw BYTEA NOT NULL,
            max_fee_wei NUMERIC(78, 0) NOT NULL,
            priority_fee_wei NUMERIC(78, 0),
            signed_at TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (tx_hash)
        )
        """
    )
    op.execute("CREATE INDEX fillers_nonce ON anchor.fillers (chain_id, sender, nonce)")
    op.execute("GRANT SELECT, INSERT ON anchor.fillers TO voketag_anchor")
