"""The tables of a scan as the ORM maps them, columns that a scan needs."""

# ruff: noqa: RUF012 - the names and types are SQLAlchemy's own

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, ForeignKey, SmallInteger, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """All of them."""

    type_annotation_map = {int: BigInteger, datetime: DateTime(timezone=True), list[str]: ARRAY(Text)}


class Product(Base):
    """factory.products."""

    __tablename__ = "products"
    __table_args__ = {"schema": "factory"}

    product_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    gtin: Mapped[str]
    category: Mapped[str]
    image_url: Mapped[str]
    markets: Mapped[list[str]]


class TenantSettings(Base):
    """factory.tenant_settings."""

    __tablename__ = "tenant_settings"
    __table_args__ = {"schema": "factory"}

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    warning_above: Mapped[int]
    high_risk_above: Mapped[int]
    disabled_factors: Mapped[list[str]]
    languages: Mapped[list[str]]


class Batch(Base):
    """factory.batches."""

    __tablename__ = "batches"
    __table_args__ = {"schema": "factory"}

    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    product_id: Mapped[UUID] = mapped_column(ForeignKey(Product.product_id))
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey(TenantSettings.tenant_id))
    lot: Mapped[str]
    manufactured_at: Mapped[date | None]
    expires_at: Mapped[date | None]
    sandbox: Mapped[bool]
    state: Mapped[str]
    quantity: Mapped[int]
    issued_count: Mapped[int]
    product: Mapped[Product] = relationship(lazy="joined")
    policy: Mapped[TenantSettings] = relationship(lazy="joined")


class Unit(Base):
    """factory.units."""

    __tablename__ = "units"
    __table_args__ = {"schema": "factory"}

    unit_id: Mapped[int] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(ForeignKey(Batch.batch_id))
    serial: Mapped[str]
    state: Mapped[int] = mapped_column(SmallInteger)
    state_reason: Mapped[int] = mapped_column(SmallInteger)
    batch: Mapped[Batch] = relationship(lazy="joined")


class ScanEvent(Base):
    """scan.scan_events."""

    __tablename__ = "scan_events"
    __table_args__ = {"schema": "scan"}

    verification_id: Mapped[UUID] = mapped_column(primary_key=True)
    scanned_at: Mapped[datetime] = mapped_column(primary_key=True)
    unit_id: Mapped[int]
    batch_id: Mapped[UUID]
    verdict: Mapped[int] = mapped_column(SmallInteger)
    risk_score: Mapped[int] = mapped_column(SmallInteger)
    risk_factors: Mapped[list[str]]
    country: Mapped[str]
    device_hash: Mapped[bytes]
    address_hash: Mapped[bytes]
    degraded: Mapped[bool]
    tenant_id: Mapped[UUID]
    product_id: Mapped[UUID]
    cell: Mapped[str]
    duplicate: Mapped[bool]


class UnitScans(Base):
    """scan.unit_scans."""

    __tablename__ = "unit_scans"
    __table_args__ = {"schema": "scan"}

    unit_id: Mapped[int] = mapped_column(primary_key=True)
    first_scan_at: Mapped[datetime]
    last_scan_at: Mapped[datetime]
    total_scans: Mapped[int]
