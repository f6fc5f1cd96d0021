"""SQL on tenants' settings: the present ones, which Scan reads too, and every version that there was."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update

from services.common.database import Transaction
from services.factory.model.settings import TagType, TenantSettings
from services.factory.tables import tenant_settings, tenant_settings_history

_CHOICES = (
    "verification_base_url",
    "warning_above",
    "high_risk_above",
    "disabled_factors",
    "languages",
    "sandbox",
    "default_tag_type",
    "default_webhook_events",
)


async def read(tx: Transaction, tenant_id: UUID, *, lock: bool = False) -> TenantSettings:
    """Return the present settings; `lock` keeps other writers out until the transaction ends."""
    query = select(tenant_settings).where(tenant_settings.c.tenant_id == tenant_id)
    row = (await tx.connection.execute(query.with_for_update() if lock else query)).one()
    return _settings(row)


async def replace(tx: Transaction, tenant_id: UUID, before: TenantSettings, after: TenantSettings) -> None:
    """Put settings in the place of those that were read with a lock, and keep what was."""
    await tx.connection.execute(
        insert(tenant_settings_history).values(
            tenant_id=tenant_id,
            version=before.version,
            settings={name: value for name, value in asdict(before).items() if name in _CHOICES},
            updated_at=before.updated_at,
            updated_by=before.updated_by,
        )
    )
    values = {name: _plain(value) for name, value in asdict(after).items()}
    await tx.connection.execute(update(tenant_settings).where(tenant_settings.c.tenant_id == tenant_id).values(values))


async def versions(tx: Transaction, tenant_id: UUID, *, below: int, limit: int) -> list[TenantSettings]:
    """Return versions that were replaced, newest first."""
    history = tenant_settings_history
    found = await tx.connection.execute(
        select(history)
        .where(history.c.tenant_id == tenant_id, history.c.version < below)
        .order_by(history.c.version.desc())
        .limit(limit)
    )
    return [_version(row.version, row.settings, row.updated_at, row.updated_by) for row in found]


def _settings(row: Row[Any]) -> TenantSettings:
    return _version(row.version, {name: getattr(row, name) for name in _CHOICES}, row.updated_at, row.updated_by)


def _version(version: int, choices: dict[str, Any], updated_at: datetime, updated_by: str) -> TenantSettings:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in choices.items()
    }
    # Versions of before the setting were for QR codes.
    values["default_tag_type"] = TagType(values.get("default_tag_type", TagType.QR))
    return TenantSettings(version=version, updated_at=updated_at, updated_by=updated_by, **values)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
