"""Scan's tables. Only this service touches them; scan events are never changed or deleted by it."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

metadata = MetaData(schema="scan")
_Time = DateTime(timezone=True)

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
    Index("scan_events_unit", "unit_id", "scanned_at"),
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
