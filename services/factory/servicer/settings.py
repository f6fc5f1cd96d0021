"""Tenants' settings."""

from services.common.paging import page_size
from services.common.rpc.call import Call
from services.factory.convert import settings as convert
from services.factory.convert.fields import who
from services.factory.idempotency import Writes
from services.factory.operations.settings import Settings
from voketag.factory.v1 import settings_pb2


class SettingsMethods:
    """The methods on settings."""

    _writes: Writes
    _settings: Settings

    async def get_settings(self, _request: settings_pb2.GetSettingsRequest, call: Call) -> settings_pb2.TenantSettings:
        """Return the tenant's settings."""
        return convert.settings(await self._settings.get(call.caller.tenant))

    async def update_settings(
        self, request: settings_pb2.UpdateSettingsRequest, call: Call
    ) -> settings_pb2.TenantSettings:
        """Change the settings that the mask names."""
        tenant_id, change, author = call.caller.tenant, convert.change(request), who(call.caller)
        version = request.settings.version
        return await self._writes.once(
            call,
            request,
            lambda tx: self._settings.update(tx, tenant_id, change, version=version, who=author),
            convert.settings,
        )

    async def list_settings_versions(
        self, request: settings_pb2.ListSettingsVersionsRequest, call: Call
    ) -> settings_pb2.ListSettingsVersionsResponse:
        """List the settings as they were, newest first."""
        page = await self._settings.versions(
            call.caller.tenant, below=convert.position(request.page_token), limit=page_size(request.page_size)
        )
        return convert.versions_page(page)
