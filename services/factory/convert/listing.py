"""Orders and page tokens of listings. A token names its order, so that it is not read in another one."""

from collections.abc import Collection
from uuid import UUID

from services.common.errors import InvalidArgument, InvalidPageToken
from services.common.paging import decode_token, encode_token
from services.factory.model.listing import NEWEST_FIRST, Order, Position


def order(order_by: str, fields: Collection[str]) -> Order:
    """Return the order that a request asks for, newest first by default; InvalidArgument for any other field."""
    match order_by.split():
        case []:
            return NEWEST_FIRST
        case [field] | [field, "asc"] if field in fields:
            return Order(field)
        case [field, "desc"] if field in fields:
            return Order(field, descending=True)
    raise InvalidArgument.of("order_by", f"give one of {', '.join(sorted(fields))}, with ` desc` or without")


def position(page_token: str, wanted: Order) -> Position | None:
    """Return the last item of the page before; InvalidPageToken when that page was in another order."""
    found = decode_token(page_token, str, str, str)
    if found is None:
        return None
    in_order, value, item_id = (str(part) for part in found)
    if in_order != str(wanted) or "\0" in value:
        raise InvalidPageToken
    try:
        return Position(UUID(item_id), value)
    except ValueError as error:
        raise InvalidPageToken from error


def token(wanted: Order, item_id: UUID, value: str = "") -> str:
    """Return the token of the page that follows an item."""
    return encode_token(str(wanted), value, str(item_id))
