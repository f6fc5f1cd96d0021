"""Fields that many messages have."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from services.common.caller import Caller, CallerKind
from services.common.errors import InvalidArgument, InvalidPageToken
from services.common.paging import decode_token


def timestamp(moment: datetime | None) -> Timestamp | None:
    """Return a moment as protobuf says it, None for none."""
    if moment is None:
        return None
    made = Timestamp()
    made.FromDatetime(moment)
    return made


def moment(field: str, value: Timestamp) -> datetime:
    """Return a Timestamp as a moment; InvalidArgument beyond the years 1..9999."""
    try:
        return value.ToDatetime(tzinfo=UTC)
    except ValueError as error:
        raise InvalidArgument.of(field, "give a time of the years 1 to 9999") from error


def text(field: str, value: str) -> str:
    """Return a text; InvalidArgument for one with a NUL character, which PostgreSQL cannot hold."""
    if "\0" in value:
        raise InvalidArgument.of(field, "remove the NUL character")
    return value


def texts(field: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return a map of texts, none of which has a NUL character."""
    return {text(field, key): text(f"{field}.{key}", value) for key, value in values.items()}


def who(caller: Caller) -> str:
    """Return who calls, as the audit and versions of settings say it: `key <id>` or `user <uuid>`."""
    return f"{'key' if caller.kind is CallerKind.API_KEY else 'user'} {caller.subject}"


def position_uuid(token: str) -> UUID | None:
    """Return the UUID that a page token holds: the last one of the page before."""
    position = decode_token(token, str)
    if position is None:
        return None
    try:
        return UUID(str(position[0]))
    except ValueError as error:
        raise InvalidPageToken from error
