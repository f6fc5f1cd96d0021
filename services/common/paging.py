"""Page sizes and tokens (AIP-158). A token is opaque, holds only where to go on, and authorises nothing."""

import base64
import binascii
import json

from services.common.errors import InvalidPageToken

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000


def page_size(asked: int) -> int:
    """Coerce what was asked for: 0 means the default, too many means the most."""
    return min(asked or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def encode_token(*position: str | int) -> str:
    """Return the token of a position."""
    return base64.urlsafe_b64encode(json.dumps(position, ensure_ascii=False).encode()).decode().rstrip("=")


def decode_token(token: str, *kinds: type) -> tuple[str | int, ...] | None:
    """Return the position of a token, None for an empty one; InvalidPageToken when it is not of these kinds."""
    if not token:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        json.dumps(position, ensure_ascii=False).encode()  # half of a surrogate pair is no text that PostgreSQL takes
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InvalidPageToken from error
    if not isinstance(position, list) or [type(part) for part in position] != list(kinds):
        raise InvalidPageToken
    return tuple(position)
