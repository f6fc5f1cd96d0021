"""From an address to a country and a coarse cell of the map, by any MMDB file with countries or cities.

A cell is one degree wide and high (about 111 km at the equator), named by its south-west corner, `-24-047`: enough to
see that a unit was in two far places within an hour, and too coarse to find anybody.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import maxminddb

from services.scan.watched_files import PartHealth, WatchedFile

_EARTH_KM = 6371.0
_MOST_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address is; empty where that is not known."""

    country: str
    cell: str


NOWHERE = Place(country="", cell="")


class Places:
    """Looks places up, and remembers the last ones."""

    def __init__(self, file: Path | None) -> None:
        self.file: WatchedFile[maxminddb.Reader] = WatchedFile(name="countries", path=file, load=open_mmdb)
        self._kept: dict[str, Place] = {}
        self._version = 0

    def of(self, address: str) -> Place:
        """Return where an address is."""
        reader = self.file.value
        if reader is None:
            return NOWHERE
        if self._version != self.file.version or len(self._kept) >= _MOST_KEPT:
            self._kept, self._version = {}, self.file.version
        place = self._kept.get(address)
        if place is None:
            place = self._kept[address] = _place(_record(reader, address))
        return place

    def health(self) -> PartHealth:
        """Return how the file stands."""
        return self.file.health()


def cell_of(latitude: float, longitude: float) -> str:
    """Return the cell of a point; degrees, north and east positive."""
    return f"{math.floor(latitude):+03d}{math.floor(longitude):+04d}"


def distance_km(one: str, other: str) -> float:
    """Return the great-circle distance between the middles of two cells (haversine)."""
    (north, east), (north_too, east_too) = _middle(one), _middle(other)
    half = math.sin((north_too - north) / 2) ** 2
    half += math.cos(north) * math.cos(north_too) * math.sin((east_too - east) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


def open_mmdb(data: bytes) -> maxminddb.Reader:
    """Return a reader of an MMDB file, of a copy without a name: writing into the original disturbs no look-up."""
    with NamedTemporaryFile(suffix=".mmdb") as copy:
        copy.write(data)
        copy.flush()
        return maxminddb.open_database(copy.name)  # stays mapped when the name goes


def _middle(cell: str) -> tuple[float, float]:
    return math.radians(int(cell[:3]) + 0.5), math.radians(int(cell[3:]) + 0.5)


def _record(reader: maxminddb.Reader, address: str) -> dict[str, Any]:
    try:
        found = reader.get(address)
    except ValueError:  # not an address, or IPv6 in a table of IPv4
        return {}
    return found if isinstance(found, dict) else {}


def _place(record: dict[str, Any]) -> Place:
    country = (record.get("country") or record.get("registered_country") or {}).get("iso_code", "")
    location = record.get("location") or {}
    latitude, longitude = location.get("latitude"), location.get("longitude")
    if not isinstance(latitude, float) or not isinstance(longitude, float):
        return Place(country=country, cell="")
    return Place(country=country, cell=cell_of(latitude, longitude))
