"""From an address to a country and a coarse cell of the map, by any MMDB file with countries or cities.

A cell is one degree wide and high (about 111 km at the equator), named by its south-west corner, `-24-047`: enough to
see that a unit was in two far places within an hour, and too coarse to find anybody.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import maxminddb

from services.scan.watched_files import PartHealth, WatchedFile

_CODE = re.compile("[A-Z]{2}", re.ASCII)
_EARTH_KM = 6371.0
_MOST_KEPT = 20_000
_VAGUE_KM = 200
"""A place that its table believes only to within more than this has no cell."""


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
        if self.file.value is None:
            return NOWHERE
        if self._version != self.file.version or len(self._kept) >= _MOST_KEPT:
            self._kept, self._version = {}, self.file.version
        place = self._kept.get(address)
        if place is None:
            place = self._kept[address] = _place(record_of(self.file, address))
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


def record_of(file: WatchedFile[maxminddb.Reader], address: str) -> dict[str, Any]:
    """Return what a table says of an address; empty for one that it does not know, and without a table."""
    try:
        found = file.value.get(address) if file.value is not None else None
    except (maxminddb.InvalidDatabaseError, UnicodeDecodeError) as error:
        file.give_up(error)
        return {}
    except ValueError:  # not an address, or IPv6 in a table of IPv4
        return {}
    return found if isinstance(found, dict) else {}


def _middle(cell: str) -> tuple[float, float]:
    return math.radians(int(cell[:3]) + 0.5), math.radians(int(cell[3:]) + 0.5)


def _place(record: dict[str, Any]) -> Place:
    return Place(country=_country(record), cell=_cell(record.get("location")))


def _country(record: dict[str, Any]) -> str:
    """Return the code of a country: from a map of it, as MaxMind has it, or from a text, as others do."""
    for name in ("country", "registered_country", "country_code"):
        found = record.get(name)
        code = found.get("iso_code") if isinstance(found, dict) else found
        if isinstance(code, str) and _CODE.fullmatch(code):
            return code
    return ""


def _cell(location: Any) -> str:
    if not isinstance(location, dict):
        return ""
    north, east, radius = (location.get(name) for name in ("latitude", "longitude", "accuracy_radius"))
    if not isinstance(north, float) or not isinstance(east, float) or not (-90 <= north < 90 and -180 <= east < 180):
        return ""
    vague = isinstance(radius, int) and radius > _VAGUE_KM  # the middle of a country, for some phones' networks
    return "" if vague else cell_of(north, east)
