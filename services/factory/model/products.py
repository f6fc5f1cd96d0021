"""Products, and what holds of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.common.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class ProductDetails:
    """What a tenant says of a product and may change later. The SKU is its identity and stays."""

    name: str
    gtin: str
    category: str
    description: str
    markets: tuple[str, ...]
    image_url: str
    metadata: Mapping[str, str]

    def check(self) -> None:
        """Refuse what no product can be: one without a name, or with a GTIN that was mistyped."""
        if not self.name:
            raise InvalidArgument.of("name", "a product has a name")
        if self.gtin and not gtin_is_right(self.gtin):
            raise InvalidArgument.of("gtin", "the check digit does not fit the other digits; read the GTIN again")


@dataclass(frozen=True, slots=True)
class NewProduct:
    """A product to register."""

    sku: str
    details: ProductDetails


@dataclass(frozen=True, slots=True)
class Product:
    """A kind of item that units are issued for. An archived one takes no new batches."""

    product_id: UUID
    tenant_id: UUID
    sku: str
    details: ProductDetails
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ProductFilter:
    """Which products a listing shows; "" means all. `text` is looked for in name, SKU and description."""

    include_archived: bool = False
    sku_prefix: str = ""
    gtin: str = ""
    category: str = ""
    text: str = ""


def gtin_is_right(gtin: str) -> bool:
    """Say whether the last digit is the check digit of the others (GS1 General Specifications, 7.9: modulo 10)."""
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(gtin)))
    return weighted % 10 == 0
