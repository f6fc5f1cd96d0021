"""Scan's tables. Only this service touches them; scan events are never changed or deleted by it."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import BIT, JSONB
from sqlalchemy.types import UserDefinedType

metadata = MetaData(schema="scan")
_Time = DateTime(timezone=True)


class Xid8(UserDefinedType[int]):
    """A transaction id that never wraps around (PostgreSQL's xid8)."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """Return the type's name."""
        return "XID8"


# Partitioned by month; scan.ensure_event_partition makes partitions.
scan_events = Table(
    "scan_events",
    metadata,
    Column("verification_id", Uuid, primary_key=True),
    Column("unit_id", BigInteger, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("scanned_at", _Time, primary_key=True),
    Column("verdict", SmallInteger, nullable=False),
    Column("risk_score", SmallInteger, nullable=False),
    Column("risk_factors", ARRAY(Text), nullable=False),
    Column("country", Text, nullable=False),
    # Keyed, daily-rotating hashes: neither a device nor an address can be followed from one day to the next.
    Column("device_hash", LargeBinary, nullable=False),
    Column("address_hash", LargeBinary, nullable=False),
    Column("degraded", Boolean, nullable=False),
    Column("tenant_id", Uuid, nullable=False),
    Column("product_id", Uuid, nullable=False),
    # A coarse cell of the map, never a place; empty when unknown.
    Column("cell", Text, nullable=False),
    # The unit had been scanned before, as far as was known when it was scored.
    Column("duplicate", Boolean, nullable=False),
    # The transaction that wrote the event: the ledger takes events whose transactions are over for good.
    Column("xact_id", Xid8, nullable=False, server_default=text("pg_current_xact_id()")),
    Index("scan_events_unit", "unit_id", "scanned_at"),
    Index("scan_events_xact", "xact_id"),
    Index("scan_events_listing", "tenant_id", "scanned_at", "verification_id"),
    postgresql_partition_by="RANGE (scanned_at)",
)

# Updated by every scan, so a page keeps room for the next versions of its rows (HOT updates touch no index).
unit_scans = Table(
    "unit_scans",
    metadata,
    Column("unit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("first_scan_at", _Time, nullable=False),
    Column("last_scan_at", _Time, nullable=False),
    Column("total_scans", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 70},
)

# What consumers reported. A device's hash changes every day, so `reports_once` is one report a device, unit and day.
reports = Table(
    "reports",
    metadata,
    Column("report_id", Uuid, primary_key=True),
    Column("unit_id", BigInteger, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("tenant_id", Uuid, nullable=False),
    Column("verification_id", Uuid),
    Column("reason", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("device_hash", LargeBinary, nullable=False),
    Column("address_hash", LargeBinary, nullable=False),
    Column("request_id", Uuid, unique=True),
    Column("reported_at", _Time, nullable=False),
    UniqueConstraint("unit_id", "device_hash", name="reports_once"),
    Index("reports_address", "address_hash", "reported_at"),
)

# Units that somebody reported: the maker's and the operator's list of what to look at.
unit_watch = Table(
    "unit_watch",
    metadata,
    Column("unit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("reports", Integer, nullable=False),
    Column("since", _Time, nullable=False),
    Column("last_report_at", _Time, nullable=False),
)

# What Factory has to hear, for its webhooks. Rows go when they were sent and have had their time.
notices = Table(
    "notices",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("tenant_id", Uuid, nullable=False),
    Column("unit_id", BigInteger, nullable=False),
    Column("batch_id", Uuid, nullable=False),
    Column("occurred_at", _Time, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("sent_at", _Time),
    Index("notices_waiting", "occurred_at", postgresql_where=text("sent_at IS NULL")),
)

# One row: how far the ledger is. Who writes entries locks it, so there is one order however many try.
ledger_state = Table(
    "ledger_state",
    metadata,
    Column("one", Boolean, CheckConstraint("one"), primary_key=True, server_default=text("true")),
    Column("size", BigInteger, nullable=False),
    Column("last_hash", LargeBinary, nullable=False),
    Column("xact_cursor", Xid8, nullable=False),
)

# Which event is which entry. Its hash stands in the tiles.
ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("entry_index", BigInteger, primary_key=True, autoincrement=False),
    Column("verification_id", Uuid, nullable=False, unique=True),
    Column("scanned_at", _Time, nullable=False),
)

ledger_tiles = Table(
    "ledger_tiles",
    metadata,
    Column("level", SmallInteger, primary_key=True),
    Column("tile_index", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

ledger_checkpoints = Table(
    "ledger_checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("signed_at", _Time, nullable=False),
    # Under which id Anchor has the root; empty for the many that are not anchored.
    Column("anchor_id", Uuid),
)


def _rollup(name: str) -> Table:
    """Sums of scans by their hour or day (UTC), and by what a tenant may ask for."""
    return Table(
        name,
        metadata,
        Column("tenant_id", Uuid, primary_key=True),
        Column("starts_at", _Time, primary_key=True),
        Column("product_id", Uuid, primary_key=True),
        Column("batch_id", Uuid, primary_key=True),
        Column("country", Text, primary_key=True),
        Column("verdict", SmallInteger, primary_key=True, autoincrement=False),
        Column("scans", BigInteger, nullable=False),
        Column("duplicates", BigInteger, nullable=False),
    )


scan_rollups_hourly = _rollup("scan_rollups_hourly")
scan_rollups_daily = _rollup("scan_rollups_daily")

# In which minutes (UTC) of a day a tenant has scans with a property that lists filter by, such as `country:BR`:
# where a filtered list looks, so that it need not walk along all scans. The first minute is the leftmost bit.
scan_facets_daily = Table(
    "scan_facets_daily",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("facet", Text, primary_key=True),
    Column("starts_at", _Time, primary_key=True),
    Column("minutes", BIT(1440), nullable=False),
)

# Units with scans that were a warning or high risk, by day: those are few, and the ones that anybody asks for.
risky_units_daily = Table(
    "risky_units_daily",
    metadata,
    Column("tenant_id", Uuid, primary_key=True),
    Column("starts_at", _Time, primary_key=True),
    Column("unit_id", BigInteger, primary_key=True, autoincrement=False),
    Column("batch_id", Uuid, nullable=False),
    Column("product_id", Uuid, nullable=False),
    Column("risk_score", SmallInteger, nullable=False),
    Column("scans", BigInteger, nullable=False),
    Column("last_scan_at", _Time, nullable=False),
)

# Empty unless the operator keeps hints for some hours (`VOKETAG_HINT_RETENTION_HOURS`); never a part of the ledger.
device_hints = Table(
    "device_hints",
    metadata,
    Column("verification_id", Uuid, primary_key=True),
    Column("scanned_at", _Time, nullable=False),
    Column("address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("languages", Text, nullable=False),
    Column("screen", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Index("device_hints_time", "scanned_at"),
)

# How far those are who must see every entry once: each moves its cursor in the transaction of its effect.
ledger_cursors = Table(
    "ledger_cursors",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("next_index", BigInteger, nullable=False),
)
