"""Keyset pages: where to go on, and in what order."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_

from services.factory.model.listing import Order, Position


def page(
    query: Select[Any],
    order: Order,
    after: Position | None,
    *,
    item_id: ColumnElement[Any],
    value: ColumnElement[Any] | None = None,
) -> Select[Any]:
    """Order a query, and let it go on behind a position. `value` is the order's column, None where ids are the order.

    The condition is written out (`value > v OR value = v AND id > i`): row comparison would need both in one direction
    and of one collation, and plans no better here, where a tenant's rows come first.
    """
    if after is not None:
        behind = item_id < after.item_id if order.descending else item_id > after.item_id
        if value is not None:
            further = value < after.value if order.descending else value > after.value
            behind = or_(further, and_(value == after.value, behind))
        query = query.where(behind)
    keys = [item_id] if value is None else [value, item_id]
    return query.order_by(*(key.desc() if order.descending else key.asc() for key in keys))
