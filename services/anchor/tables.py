"""Anchor's tables. Only this service touches them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

metadata = MetaData(schema="anchor")
_Time = DateTime(timezone=True)

# What the writer last said about each chain: one row a chain, so that an outage touches one row and not every anchor.
chains = Table(
    "chains",
    metadata,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("sender", Text, nullable=False),
    # Why nothing moves, in words for an operator; empty while all is well.
    Column("waits_for", Text, nullable=False, server_default=""),
    # The last such reason, which stays when all is well again, and when it began.
    Column("last_error", Text, nullable=False, server_default=""),
    Column("last_error_at", _Time),
    # The chain's first block when we first saw it: another one means another chain, whatever its id.
    Column("genesis_hash", Text),
    # Transactions in a row that were executed in vain, the last one's reason, when it was seen, and until when nothing
    # new is signed for it. One that anchors its root ends the row.
    Column("refusals", Integer, nullable=False, server_default=text("0")),
    Column("refusal", Text, nullable=False, server_default=""),
    Column("refused_at", _Time),
    Column("held_until", _Time),
    Column("updated_at", _Time, nullable=False),
)

# One RFC 6962 tree over batch roots; its root is what a transaction writes.
anchor_trees = Table(
    "anchor_trees",
    metadata,
    Column("tree_id", Uuid, primary_key=True),
    Column("root", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    # A tree has one contract, one sender and one nonce for life, from its first transaction on. Every transaction for
    # it uses that nonce, so at most one of them is ever mined.
    Column("contract", Text),
    Column("sender", Text),
    Column("nonce", BigInteger),
    # The transaction that anchors it: the newest attempt, from a block on the one in the block.
    Column("tx_hash", Text),
    Column("created_at", _Time, nullable=False),
    Column("settled_at", _Time),
    UniqueConstraint("chain_id", "sender", "nonce", name="anchor_trees_nonce"),
    Index("anchor_trees_open", "created_at", postgresql_where=text("settled_at IS NULL")),
)

# Every signed attempt, stored before it is broadcast. A replacement is a second row of the same tree.
transactions = Table(
    "transactions",
    metadata,
    Column("tx_hash", Text, primary_key=True),
    Column("tree_id", Uuid, ForeignKey("anchor.anchor_trees.tree_id"), nullable=False),
    # NULL for a transaction that was found on the chain and is in nobody's books here.
    Column("raw", LargeBinary),
    Column("gas_limit", BigInteger),
    Column("max_fee_wei", Numeric(78, 0)),
    # NULL on a chain without EIP-1559.
    Column("priority_fee_wei", Numeric(78, 0)),
    Column("state", Text, nullable=False),
    Column("block_number", BigInteger),
    Column("block_hash", Text),
    Column("gas_used", BigInteger),
    Column("gas_price_wei", Numeric(78, 0)),
    Column("signed_at", _Time, nullable=False),
    Column("broadcast_at", _Time),
    Column("mined_at", _Time),
    Column("confirmed_at", _Time),
    Index("transactions_tree", "tree_id", "signed_at"),
)

# Transactions that do nothing but use a nonce, where one was missing below ours.
fillers = Table(
    "fillers",
    metadata,
    Column("tx_hash", Text, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("sender", Text, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("max_fee_wei", Numeric(78, 0), nullable=False),
    Column("priority_fee_wei", Numeric(78, 0)),
    Column("signed_at", _Time, nullable=False),
    Index("fillers_nonce", "chain_id", "sender", "nonce"),
)

anchors = Table(
    "anchors",
    metadata,
    Column("anchor_id", Uuid, primary_key=True),
    Column("batch_id", Uuid, nullable=False),
    # One row for each chain that the batch's root goes to, all of the same root. Position 0 is the chain whose outcome
    # Factory hears of.
    Column("chain", Text, nullable=False, server_default="main"),
    Column("position", SmallInteger, nullable=False, server_default=text("0")),
    Column("merkle_root", LargeBinary, nullable=False),
    Column("tree_size", BigInteger, nullable=False),
    # BATCH, or LEDGER for a checkpoint of the ledger of scans; whose outcome nobody is told.
    Column("kind", Text, nullable=False, server_default="BATCH"),
    # Whose root it is, so that tenants take turns; NULL for the platform's own.
    Column("tenant_id", Uuid),
    # Waits for no other root, and goes before the others of its tenant.
    Column("urgent", Boolean, nullable=False, server_default=text("false")),
    Column("state", Text, nullable=False),
    # The place in an anchor tree. The path is stored, 32 bytes a hash, so that a receipt reads one row of any tree.
    Column("tree_id", Uuid, ForeignKey("anchor.anchor_trees.tree_id")),
    Column("leaf_index", Integer),
    Column("inclusion_path", LargeBinary),
    # Why it is in the line again: what became of the transaction that it was in.
    Column("error", Text, nullable=False, server_default=""),
    Column("created_at", _Time, nullable=False),
    Column("confirmed_at", _Time),
    # The outcome's way to Factory: due from next_report_at on, until reported_at.
    Column("report_attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_report_at", _Time),
    Column("reported_at", _Time),
    UniqueConstraint("batch_id", "chain", name="anchors_chain"),
    UniqueConstraint("batch_id", "position", name="anchors_position"),
    UniqueConstraint("tree_id", "leaf_index", name="anchors_leaf"),
    Index("anchors_listing", "state", "anchor_id"),
    Index("anchors_waiting", "chain", "anchor_id", postgresql_where=text("state = 'PENDING' AND tree_id IS NULL")),
    Index(
        "anchors_unreported",
        "next_report_at",
        postgresql_where=text("next_report_at IS NOT NULL AND reported_at IS NULL"),
    ),
)
