"""The tenant's settings."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from voketag.factory.v1 import settings_pb2
from voketag_sdk import _convert
from voketag_sdk._items import AsyncItems
from voketag_sdk._transport import Transport
from voketag_sdk.models import TagType, TenantSettings


class AsyncSettings:
    """The tenant's settings."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, *, timeout: float | None = None) -> TenantSettings:
        """Return the present settings."""
        request = settings_pb2.GetSettingsRequest()
        return _convert.settings(
            await self._transport.call(self._transport.factory.GetSettings, request, timeout=timeout)
        )

    async def update(
        self,
        *,
        version: int = 0,
        verification_base_url: str | None = None,
        warning_above: int | None = None,
        high_risk_above: int | None = None,
        disabled_factors: Iterable[str] | None = None,
        languages: Iterable[str] | None = None,
        sandbox: bool | None = None,
        default_tag_type: TagType | None = None,
        default_webhook_events: Iterable[str] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> TenantSettings:
        """Change the settings that are given. ConcurrentUpdate when `version`, the one that you saw, is not the present
        one any more.
        """
        change: dict[str, Any] = {
            "verification_base_url": verification_base_url,
            "warning_above": warning_above,
            "high_risk_above": high_risk_above,
            "disabled_factors": disabled_factors,
            "languages": languages,
            "sandbox": sandbox,
            "default_webhook_events": default_webhook_events,
        }
        if default_tag_type is not None:
            change["default_tag_type"] = _convert.number_of(default_tag_type, settings_pb2.TagType.DESCRIPTOR)
        given = {name: value for name, value in change.items() if value is not None}
        request = settings_pb2.UpdateSettingsRequest(
            settings=settings_pb2.TenantSettings(version=version, **given),
            update_mask=FieldMask(paths=given),
            request_id=request_id or str(uuid4()),
        )
        return _convert.settings(
            await self._transport.call(self._transport.factory.UpdateSettings, request, timeout=timeout)
        )

    def versions(self, *, page_size: int = 0) -> AsyncItems[TenantSettings]:
        """List the settings as they are and were, newest first; pages are fetched as they are needed."""

        async def pages() -> AsyncGenerator[Sequence[TenantSettings]]:
            request = settings_pb2.ListSettingsVersionsRequest(page_size=page_size)
            while True:
                page = await self._transport.call(self._transport.factory.ListSettingsVersions, request)
                yield [_convert.settings(each) for each in page.versions]
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token

        return AsyncItems(pages)
