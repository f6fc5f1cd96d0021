"""A page of a listing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a listing, in its order; `more` says whether others follow."""

    items: tuple[T, ...]
    more: bool

    @classmethod
    def cut(cls, found: Sequence[T], limit: int) -> Self:
        """Make a page from a query that asked for one item more than the page takes."""
        return cls(items=tuple(found[:limit]), more=len(found) > limit)
