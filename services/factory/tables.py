"""Factory's tables. Only this service writes them; Scan may read products, batches and units."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    cast,
    func,
    literal_column,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="factory")
_Time = DateTime(timezone=True)

tenants = Table(
    "tenants",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", _Time, nullable=False),
)

# What a tenant may change. Scan reads it with the registry, so a change is obeyed as fast as a recall.
tenant_settings = Table(
    "tenant_settings",
    metadata,
    Column("tenant_id", Uuid, ForeignKey(tenants.c.tenant_id), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("verification_base_url", Text, nullable=False),
    Column("warning_above", SmallInteger, nullable=False, server_default=text("40")),
    Column("high_risk_above", SmallInteger, nullable=False, server_default=text("70")),
    Column("disabled_factors", ARRAY(Text), nullable=False, server_default="{}"),
    Column("languages", ARRAY(Text), nullable=False, server_default="{}"),
    Column("sandbox", Boolean, nullable=False, server_default=text("false")),
    Column("updated_at", _Time, nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("default_tag_type", Text, nullable=False, server_default="QR"),
    Column("default_webhook_events", ARRAY(Text), nullable=False, server_default="{}"),
    CheckConstraint(
        "0 <= warning_above AND warning_above <= high_risk_above AND high_risk_above <= 100",
        name="tenant_settings_thresholds",
    ),
)

# The settings as they were: a row a version, never changed.
tenant_settings_history = Table(
    "tenant_settings_history",
    metadata,
    Column("tenant_id", Uuid, ForeignKey(tenants.c.tenant_id), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("settings", JSONB, nullable=False),
    Column("updated_at", _Time, nullable=False),
    Column("updated_by", Text, nullable=False),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("key_id", Integer, CheckConstraint("key_id BETWEEN 1 AND 65535"), primary_key=True, autoincrement=False),
    # One UPDATE ... RETURNING on this row hands out a range of numbers; a number is never handed out twice.
    Column("next_number", BigInteger, nullable=False, server_default=text("0")),
    Column("created_at", _Time, nullable=False),
)

products = Table(
    "products",
    metadata,
    Column("product_id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("factory.tenants.tenant_id"), nullable=False),
    Column("sku", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("gtin", Text, nullable=False, server_default=""),
    Column("category", Text, nullable=False, server_default=""),
    Column("description", Text, nullable=False, server_default=""),
    Column("markets", ARRAY(Text), nullable=False, server_default="{}"),
    Column("image_url", Text, nullable=False, server_default=""),
    Column("metadata", JSONB, nullable=False, server_default="{}"),
    Column("archived_at", _Time),
    Column("created_at", _Time, nullable=False),
    Column("updated_at", _Time, nullable=False),
    UniqueConstraint("tenant_id", "sku", name="products_tenant_sku"),
    Index("products_listing", "tenant_id", "product_id"),
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("factory.tenants.tenant_id"), nullable=False),
    Column("product_id", Uuid, ForeignKey("factory.products.product_id"), nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("key_id", Integer, ForeignKey("factory.signing_keys.key_id"), nullable=False),
    Column("first_number", BigInteger, nullable=False),
    Column("lot", Text, nullable=False, server_default=""),
    Column("manufactured_at", Date),
    Column("expires_at", Date),
    Column("metadata", JSONB, nullable=False, server_default="{}"),
    # RFC 8785 text, frozen when issuing begins; every leaf of the batch commits to it.
    Column("facts", Text),
    # The cursor: units below it are written. A killed worker's successor goes on here.
    Column("issued_count", Integer, nullable=False, server_default=text("0")),
    Column("merkle_root", LargeBinary),
    Column("lease_token", Uuid),
    Column("lease_until", _Time),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # Not before this time may a worker take the batch (again).
    Column("due_at", _Time, nullable=False),
    Column("error", Text, nullable=False, server_default=""),
    Column("anchor_tx_hash", Text),
    Column("anchor_block_number", BigInteger),
    Column("anchor_chain_id", BigInteger),
    Column("created_at", _Time, nullable=False),
    Column("updated_at", _Time, nullable=False),
    Column("completed_at", _Time),
    # Frozen when the batch is ordered.
    Column("sandbox", Boolean, nullable=False, server_default=text("false")),
    # Among the tenant's own; between tenants turns are taken.
    Column("priority", SmallInteger, nullable=False, server_default=text("2")),
    # Names of the chains that the root goes to, as Anchor calls them; empty for its default one.
    Column("chains", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # No worker takes a batch that is paused.
    Column("paused_at", _Time),
    # How long workers were at it: with issued_count, a rate.
    Column("issuing_seconds", Double, nullable=False, server_default=text("0")),
    CheckConstraint("quantity BETWEEN 1 AND 1000000", name="batches_quantity"),
    UniqueConstraint("key_id", "first_number", name="batches_range"),
    Index("batches_listing", "tenant_id", "batch_id"),
    Index("batches_due", "due_at", postgresql_where=text("state IN ('PENDING', 'ISSUING', 'ANCHORING')")),
)

batch_id_end = func.right(cast(batches.c.batch_id, Text), literal_column("16"))
"""What the serials of a batch that was ordered by quantity say of its id (`model.serials`)."""
Index("batches_serials", batches.c.tenant_id, batch_id_end)

# When each tenant last had its turn at a worker.
issuing_turns = Table(
    "issuing_turns",
    metadata,
    Column("tenant_id", Uuid, ForeignKey("factory.tenants.tenant_id"), primary_key=True),
    Column("turn_at", _Time, nullable=False),
)

# Partitioned by range of unit_id, 2^24 units each; factory.ensure_unit_partition makes partitions.
units = Table(
    "units",
    metadata,
    Column("unit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("batch_id", Uuid, nullable=False),
    Column("serial", Text, nullable=False),
    Column("state", SmallInteger, nullable=False, server_default=text("1")),
    Column("state_reason", SmallInteger, nullable=False, server_default=text("0")),
    Column("state_changed_at", _Time),
    postgresql_partition_by="RANGE (unit_id)",
)

# Batches whose serials a partner brought, and the names of the file's further columns.
imports = Table(
    "imports",
    metadata,
    Column("batch_id", Uuid, ForeignKey("factory.batches.batch_id"), primary_key=True),
    Column("columns", ARRAY(Text), nullable=False),
    Column("file_hash", LargeBinary, nullable=False),
    Column("created_at", _Time, nullable=False),
    # A cancelled batch gives its serials back, some time later.
    Column("freed_at", _Time),
)

# The rows of such a file, 256 together: serial and further cells, parted by ASCII's own separators (`model.imports`).
# One row a unit would be a second table of the size of `units`.
import_rows = Table(
    "import_rows",
    metadata,
    Column("batch_id", Uuid, primary_key=True),
    Column("tile_index", Integer, primary_key=True),
    Column("rows", Text, nullable=False),
)

# Serials that a partner brought: no two units of a tenant share one, and a serial finds its unit. Those that are made
# here are not in it: each says itself which unit it names. So a batch that is ordered by quantity costs nothing here.
serials = Table(
    "serials",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("serial", Text(collation="C"), primary_key=True),
    Column("batch_id", Uuid, nullable=False),
    Column("unit_index", Integer, nullable=False),
)

# What was wrong with files that were refused, for a day.
import_reports = Table(
    "import_reports",
    metadata,
    Column("import_id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("faults", JSONB, nullable=False),
    Column("created_at", _Time, nullable=False),
    Index("import_reports_age", "created_at"),
)

# Changes of many units' states. `done` is the cursor: units of the range, or serials of the list, that were looked at.
unit_state_jobs = Table(
    "unit_state_jobs",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    # The range; both are null for a list of serials.
    Column("batch_id", Uuid),
    Column("first_unit_id", BigInteger),
    Column("unit_state", SmallInteger, nullable=False),
    Column("reason", SmallInteger, nullable=False),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False, server_default=text("0")),
    Column("changed", Integer, nullable=False, server_default=text("0")),
    Column("missing", ARRAY(Text), nullable=False, server_default="{}"),
    Column("missing_count", Integer, nullable=False, server_default=text("0")),
    Column("error", Text, nullable=False, server_default=""),
    Column("created_by", Text, nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("finished_at", _Time),
    Column("lease_token", Uuid),
    Column("lease_until", _Time),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due_at", _Time, nullable=False),
    Index("unit_state_jobs_listing", "tenant_id", "job_id"),
    Index("unit_state_jobs_due", "due_at", postgresql_where=text("finished_at IS NULL")),
)

# The serials of such a job, some together, parted like a file's rows; they go with the job's end.
unit_state_job_serials = Table(
    "unit_state_job_serials",
    metadata,
    Column("job_id", Uuid, primary_key=True),
    Column("start", Integer, primary_key=True),
    Column("serials", Text, nullable=False),
)

# Hash tiles of a batch's RFC 6962 tree, 256 hashes of 32 bytes each (C2SP tlog-tiles shape).
batch_tiles = Table(
    "batch_tiles",
    metadata,
    Column("batch_id", Uuid, ForeignKey("factory.batches.batch_id"), primary_key=True),
    Column("level", SmallInteger, primary_key=True),
    Column("tile_index", Integer, primary_key=True),
    Column("hashes", LargeBinary, nullable=False),
)

# Events that must not be lost: written with what they tell of, published by the worker.
outbox = Table(
    "outbox",
    metadata,
    Column("event_id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("topic", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("published_at", _Time),
    Index("outbox_waiting", "created_at", postgresql_where=text("published_at IS NULL")),
    Index("outbox_published", "published_at", postgresql_where=text("published_at IS NOT NULL")),
)

# Where tenants want their events. Secrets are encrypted (webhook_secrets.py); a deleted endpoint keeps none.
webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("endpoint_id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("factory.tenants.tenant_id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False, server_default="{}"),
    Column("description", Text, nullable=False, server_default=""),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("disabled_reason", Text, nullable=False, server_default=""),
    Column("secret", LargeBinary, nullable=False),
    Column("previous_secret", LargeBinary),
    Column("previous_secret_until", _Time),
    Column("created_at", _Time, nullable=False),
    Column("updated_at", _Time, nullable=False),
    Column("deleted_at", _Time),
    Index("webhook_endpoints_listing", "tenant_id", "endpoint_id"),
)

# One event on its way to one endpoint. The body is kept as it is sent: every try is byte for byte the same.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", Uuid, primary_key=True),
    Column("endpoint_id", Uuid, ForeignKey("factory.webhook_endpoints.endpoint_id"), nullable=False),
    Column("tenant_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    Column("topic", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False),
    # Tries of this round; a redelivery begins a new one.
    Column("tries", Integer, nullable=False, server_default=text("0")),
    # Tries of all rounds. A worker that tries it holds this number, and one that is late finds another.
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # Not before this time is it tried (again); while a worker tries it, when others may believe that worker dead.
    Column("due_at", _Time),
    Column("created_at", _Time, nullable=False),
    UniqueConstraint("endpoint_id", "event_id", name="webhook_deliveries_once"),
    Index("webhook_deliveries_due", "endpoint_id", "due_at", postgresql_where=text("state = 'PENDING'")),
    Index("webhook_deliveries_listing", "endpoint_id", "delivery_id"),
    Index("webhook_deliveries_age", "created_at"),
)

# The log: a row a try, written before the request is made, so that a killed worker's try is there, too.
webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column(
        "delivery_id",
        Uuid,
        ForeignKey("factory.webhook_deliveries.delivery_id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("attempted_at", _Time, nullable=False),
    Column("url", Text, nullable=False),
    Column("status", Integer, nullable=False, server_default=text("0")),
    Column("latency_ms", Integer, nullable=False, server_default=text("0")),
    Column("response_excerpt", Text, nullable=False, server_default=""),
    Column("error", Text, nullable=False, server_default=""),
)

# Work that failed its last try, until somebody decides.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("dead_letter_id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("resolved_at", _Time),
    Column("resolution", Text, nullable=False, server_default=""),
    Column("resolved_by", Text, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Index("dead_letters_listing", "tenant_id", "dead_letter_id"),
    Index("dead_letters_waiting", "created_at", postgresql_where=text("resolved_at IS NULL")),
    Index("dead_letters_subject", "subject", postgresql_where=text("resolved_at IS NULL")),
    Index("dead_letters_resolved", "resolved_at", postgresql_where=text("resolved_at IS NOT NULL")),
)

# Who did what to a tenant's things, when and why. The service may add rows and read them, nothing else (its grants).
audit = Table(
    "audit",
    metadata,
    Column("audit_id", Uuid, primary_key=True),
    Column("tenant_id", Uuid, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("details", JSONB, nullable=False, server_default="{}"),
    Column("created_at", _Time, nullable=False),
    Index("audit_listing", "tenant_id", "audit_id"),
)

# First answers of writes, by request_id. The row's lock is the in-flight lock.
idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("request_id", Uuid, primary_key=True),
    Column("request_hash", LargeBinary, nullable=False),
    Column("response", LargeBinary),
    Column("created_at", _Time, nullable=False),
    Index("idempotency_age", "created_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("tenant_id", Uuid, ForeignKey("factory.tenants.tenant_id"), nullable=False),
    Column("name", Text, nullable=False),
    # SHA-256 of 32 random bytes: nothing to guess, so nothing to slow down.
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("expires_at", _Time),
    Column("last_used_at", _Time),
    Column("revoked_at", _Time),
    # Networks in CIDR form that the key works from; none means everywhere.
    Column("allowed_sources", ARRAY(Text), nullable=False, server_default="{}"),
    # When its tenant was told that it ends soon; a key is told of once.
    Column("expiry_noted_at", _Time),
    # The key that took its place.
    Column("successor_id", Text),
    Index("api_keys_listing", "tenant_id", "created_at", "key_id"),
    Index("api_keys_expiring", "expires_at", postgresql_where=text("expiry_noted_at IS NULL AND revoked_at IS NULL")),
)
