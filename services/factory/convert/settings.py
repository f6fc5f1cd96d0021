"""Tenants' settings in protobuf."""

from collections.abc import Callable, Mapping

from services.common.errors import InvalidArgument, InvalidPageToken
from services.common.paging import decode_token, encode_token
from services.factory.convert.fields import timestamp
from services.factory.model.page import Page
from services.factory.model.settings import TagType, TenantSettings
from voketag.factory.v1 import settings_pb2


def _tag_type(number: settings_pb2.TagType.ValueType) -> TagType:
    if not number:
        raise InvalidArgument.of("settings.default_tag_type", "give TAG_TYPE_QR or TAG_TYPE_NFC")
    return TagType[settings_pb2.TagType.Name(number).removeprefix("TAG_TYPE_")]


_READ: Mapping[str, Callable[[settings_pb2.TenantSettings], object]] = {
    "verification_base_url": lambda m: m.verification_base_url,
    "warning_above": lambda m: m.warning_above,
    "high_risk_above": lambda m: m.high_risk_above,
    "disabled_factors": lambda m: tuple(m.disabled_factors),
    "languages": lambda m: tuple(m.languages),
    "sandbox": lambda m: m.sandbox,
    "default_tag_type": lambda m: _tag_type(m.default_tag_type),
    "default_webhook_events": lambda m: tuple(sorted(m.default_webhook_events)),
}
"""How each setting that can change is read."""


def change(request: settings_pb2.UpdateSettingsRequest) -> Mapping[str, object]:
    """Return the new values by name: those of the mask, or all that are set."""
    paths = list(request.update_mask.paths) or [
        field.name for field, _ in request.settings.ListFields() if field.name in _READ
    ]
    if unknown := set(paths) - _READ.keys():
        raise InvalidArgument.of("update_mask", f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(_READ)}")
    return {path: _READ[path](request.settings) for path in paths}


def settings(found: TenantSettings) -> settings_pb2.TenantSettings:
    """Return settings."""
    return settings_pb2.TenantSettings(
        version=found.version,
        verification_base_url=found.verification_base_url,
        warning_above=found.warning_above,
        high_risk_above=found.high_risk_above,
        disabled_factors=found.disabled_factors,
        languages=found.languages,
        sandbox=found.sandbox,
        updated_at=timestamp(found.updated_at),
        updated_by=found.updated_by,
        default_webhook_events=found.default_webhook_events,
        default_tag_type=settings_pb2.TagType.Value(f"TAG_TYPE_{found.default_tag_type.name}"),
    )


def position(page_token: str) -> int | None:
    """Return the last version of the page before."""
    found = decode_token(page_token, int)
    if found is None:
        return None
    if not 0 < (version := int(found[0])) < 1 << 31:
        raise InvalidPageToken
    return version


def versions_page(page: Page[TenantSettings]) -> settings_pb2.ListSettingsVersionsResponse:
    """Return a page of versions."""
    return settings_pb2.ListSettingsVersionsResponse(
        versions=[settings(item) for item in page.items],
        next_page_token=encode_token(page.items[-1].version) if page.more else "",
    )
