"""API keys of the tenant."""

from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import datetime
from uuid import uuid4

from voketag.factory.v1 import factory_pb2
from voketag_sdk import _convert
from voketag_sdk._items import AsyncItems
from voketag_sdk._transport import Transport
from voketag_sdk.errors import ApiKeySecretLost
from voketag_sdk.models import ApiKey, NewApiKey


class AsyncApiKeys:
    """API keys of the tenant."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self,
        *,
        name: str,
        scopes: Iterable[str],
        expires_at: datetime | None = None,
        allowed_sources: Iterable[str] = (),
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> NewApiKey:
        """Make an API key. Its secret is told this once: ApiKeySecretLost when the answer got lost and the platform
        recognised the repeat. `expires_at` must have a time zone. `allowed_sources` are addresses and CIDR blocks that
        the key works from; none means everywhere.
        """
        request = factory_pb2.CreateApiKeyRequest(
            name=name, scopes=scopes, allowed_sources=allowed_sources, request_id=request_id or str(uuid4())
        )
        if expires_at is not None:
            if expires_at.tzinfo is None:
                raise ValueError("expires_at needs a time zone, such as datetime.UTC")
            request.expires_at.FromDatetime(expires_at)
        return _with_secret(await self._transport.call(self._transport.factory.CreateApiKey, request, timeout=timeout))

    def list(self, *, page_size: int = 0) -> AsyncItems[ApiKey]:
        """List API keys, newest first, without their secrets."""

        async def pages() -> AsyncGenerator[Sequence[ApiKey]]:
            request = factory_pb2.ListApiKeysRequest(page_size=page_size)
            while True:
                page = await self._transport.call(self._transport.factory.ListApiKeys, request)
                yield [_convert.api_key(each) for each in page.api_keys]
                if not page.next_page_token:
                    return
                request.page_token = page.next_page_token

        return AsyncItems(pages)

    async def rotate(
        self,
        key_id: str,
        *,
        overlap_seconds: int = 0,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> NewApiKey:
        """Make a successor with the same scopes and sources; the old key works for `overlap_seconds` more.

        ApiKeySecretLost.
        """
        request = factory_pb2.RotateApiKeyRequest(
            key_id=key_id, overlap_seconds=overlap_seconds, request_id=request_id or str(uuid4())
        )
        return _with_secret(await self._transport.call(self._transport.factory.RotateApiKey, request, timeout=timeout))

    async def revoke(self, key_id: str, *, request_id: str | None = None, timeout: float | None = None) -> ApiKey:
        """Revoke an API key at once. Twice is no error. ApiKeyNotFound."""
        request = factory_pb2.RevokeApiKeyRequest(key_id=key_id, request_id=request_id or str(uuid4()))
        return _convert.api_key(
            await self._transport.call(self._transport.factory.RevokeApiKey, request, timeout=timeout)
        )


def _with_secret(response: factory_pb2.CreateApiKeyResponse) -> NewApiKey:
    api_key = _convert.api_key(response.api_key)
    if not response.secret:
        raise ApiKeySecretLost(api_key)
    return NewApiKey(api_key=api_key, secret=response.secret)
