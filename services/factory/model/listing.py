"""Where a listing stands: its order, and the last item of the page before."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a listing: one field, items that are equal in it by their ids. Ids rise with time."""

    field: str
    descending: bool = False

    def __str__(self) -> str:
        """Return it as `order_by` says it (AIP-132)."""
        return f"{self.field} desc" if self.descending else self.field


NEWEST_FIRST: Final = Order("created_at", descending=True)


@dataclass(frozen=True, slots=True)
class Position:
    """The last item of a page. `value` is its text in the field of the order, empty where ids alone give the order."""

    item_id: UUID
    value: str = ""
