"""API keys."""

from datetime import timedelta

from services.common.paging import page_size
from services.common.rpc.call import Call
from services.factory.convert import api_keys as convert
from services.factory.convert.fields import text
from services.factory.idempotency import Writes
from services.factory.operations.api_keys import ApiKeys
from voketag.factory.v1 import factory_pb2


class ApiKeyMethods:
    """The methods on API keys."""

    _writes: Writes
    _api_keys: ApiKeys

    async def create_api_key(
        self, request: factory_pb2.CreateApiKeyRequest, call: Call
    ) -> factory_pb2.CreateApiKeyResponse:
        """Make a key."""
        name, expires_at = text("name", request.name), convert.expiry(request)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._api_keys.create(
                tx,
                call.caller.tenant,
                name=name,
                scopes=request.scopes,
                expires_at=expires_at,
                allowed_sources=request.allowed_sources,
                granted_by=call.caller.scopes,
            ),
            convert.new_api_key,
            remembered=convert.without_secret,
        )

    async def list_api_keys(
        self, request: factory_pb2.ListApiKeysRequest, call: Call
    ) -> factory_pb2.ListApiKeysResponse:
        """List keys, newest first."""
        page = await self._api_keys.list(
            call.caller.tenant, before=convert.position(request.page_token), limit=page_size(request.page_size)
        )
        return convert.api_key_page(page)

    async def rotate_api_key(
        self, request: factory_pb2.RotateApiKeyRequest, call: Call
    ) -> factory_pb2.CreateApiKeyResponse:
        """Replace a key by a successor."""
        overlap = timedelta(seconds=request.overlap_seconds)
        return await self._writes.once(
            call,
            request,
            lambda tx: self._api_keys.rotate(
                tx, call.caller.tenant, request.key_id, overlap=overlap, granted_by=call.caller.scopes
            ),
            convert.new_api_key,
            remembered=convert.without_secret,
        )

    async def revoke_api_key(self, request: factory_pb2.RevokeApiKeyRequest, call: Call) -> factory_pb2.ApiKey:
        """Revoke a key."""
        return await self._writes.once(
            call,
            request,
            lambda tx: self._api_keys.revoke(tx, call.caller.tenant, request.key_id),
            convert.api_key,
        )
