"""API keys in protobuf."""

from datetime import UTC, datetime

from services.common.errors import InvalidPageToken
from services.common.paging import decode_token, encode_token
from services.factory.convert.fields import moment, timestamp
from services.factory.model.api_keys import ApiKey, Network, NewApiKey, is_key_id
from services.factory.model.page import Page
from voketag.factory.v1 import factory_pb2


def expiry(request: factory_pb2.CreateApiKeyRequest) -> datetime | None:
    """Return when the key is to expire, None for never."""
    return moment("expires_at", request.expires_at) if request.HasField("expires_at") else None


def position(page_token: str) -> tuple[datetime, str] | None:
    """Return the last key of the page before: when it was made, and its id."""
    found = decode_token(page_token, str, str)
    if found is None:
        return None
    created_at, key_id = map(str, found)
    if not is_key_id(key_id):
        raise InvalidPageToken
    try:
        return datetime.fromisoformat(created_at).astimezone(UTC), key_id
    except (ValueError, OverflowError) as error:
        raise InvalidPageToken from error


def api_key(key: ApiKey) -> factory_pb2.ApiKey:
    """Return a key; its secret cannot come along, for nobody has it."""
    return factory_pb2.ApiKey(
        key_id=key.key_id,
        name=key.name,
        scopes=sorted(key.scopes),
        created_at=timestamp(key.created_at),
        expires_at=timestamp(key.expires_at),
        last_used_at=timestamp(key.last_used_at),
        revoked_at=timestamp(key.revoked_at),
        allowed_sources=map(_source, key.allowed_sources),
    )


def _source(network: Network) -> str:
    return str(network.network_address if network.num_addresses == 1 else network)


def new_api_key(new: NewApiKey) -> factory_pb2.CreateApiKeyResponse:
    """Return a new key with its credential."""
    return factory_pb2.CreateApiKeyResponse(api_key=api_key(new.api_key), secret=new.credential)


def without_secret(response: factory_pb2.CreateApiKeyResponse) -> factory_pb2.CreateApiKeyResponse:
    """Return the answer as it is kept for replays."""
    return factory_pb2.CreateApiKeyResponse(api_key=response.api_key)


def api_key_page(page: Page[ApiKey]) -> factory_pb2.ListApiKeysResponse:
    """Return a page of keys."""
    token = ""
    if page.more:
        last = page.items[-1]
        token = encode_token(last.created_at.isoformat(), last.key_id)
    return factory_pb2.ListApiKeysResponse(api_keys=map(api_key, page.items), next_page_token=token)
