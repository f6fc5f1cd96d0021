"""Tables of countries and lists of networks: what they say, replacing them alive, and what a broken one takes away."""

import ipaddress
import os
from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from services.scan.networks import Network, Networks, read_list
from services.scan.places import NOWHERE, Place, Places, cell_of, distance_km

BRAZIL = {"country": {"iso_code": "BR"}, "location": {"latitude": -23.55, "longitude": -46.63}}
PORTUGAL = {"country": {"iso_code": "PT"}}
HOME, LISBON, ELSEWHERE = "198.51.100.7", "203.0.113.9", "192.0.2.1"


def write_mmdb(path: Path, **records: dict[str, object]) -> Path:
    """Write a small MMDB file, records by network (`_` for `/`), and put it into place in one step."""
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test", float_type="f64")
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path.with_suffix(".new")))
    return path.with_suffix(".new").replace(path)


@pytest.fixture
def countries(tmp_path: Path) -> Path:
    return write_mmdb(
        tmp_path / "countries.mmdb",
        **{"198.51.100.0/24": BRAZIL, "203.0.113.0/24": PORTUGAL, "2001:db8::/32": BRAZIL},
    )


async def test_an_address_has_a_country_and_a_coarse_cell(countries: Path) -> None:
    places = Places(countries)
    await places.file.look()
    assert places.of(HOME) == Place(country="BR", cell="-24-047")
    assert places.of("2001:db8::1") == Place(country="BR", cell="-24-047")
    assert places.of(LISBON) == Place(country="PT", cell="")
    assert [places.of(address) for address in (ELSEWHERE, "", "no address", "fe80::1%eth0")] == [NOWHERE] * 4


@pytest.mark.parametrize(("radius", "cell"), [(5, "-24-047"), (200, "-24-047"), (201, ""), (1000, "")])
async def test_a_place_that_is_vague_has_no_cell(tmp_path: Path, radius: int, cell: str) -> None:
    location = {"latitude": -23.55, "longitude": -46.63, "accuracy_radius": radius}
    places = Places(write_mmdb(tmp_path / "c.mmdb", **{"198.51.100.0/24": BRAZIL | {"location": location}}))
    await places.file.look()
    assert places.of(HOME) == Place(country="BR", cell=cell)


async def test_a_table_that_is_replaced_is_read_anew(countries: Path) -> None:
    places = Places(countries)
    await places.file.look()
    assert places.of(HOME).country == "BR"
    write_mmdb(countries, **{"198.51.100.0/24": {"country": {"iso_code": "AR"}}})
    await places.file.look()
    assert places.of(HOME) == Place(country="AR", cell="")


def damaged(file: Path, damage: str) -> bytes:
    """Damage a file and return what it was."""
    whole = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(b"not a table" if damage == "garbage" else whole[:-200])
    return whole


def mend(file: Path, whole: bytes) -> None:
    file.write_bytes(whole)


@pytest.mark.parametrize("damage", ["missing", "garbage", "cut short"])
async def test_a_missing_or_broken_table_takes_its_answers_away_and_says_so(countries: Path, damage: str) -> None:
    places = Places(countries)
    await places.file.look()
    whole = damaged(countries, damage)
    await places.file.look()
    assert places.of(HOME) == NOWHERE
    health = places.health()
    assert (health.name, health.ok) == ("countries", False)
    assert "missing or broken" in health.detail
    mend(countries, whole)
    await places.file.look()
    assert places.of(HOME).country == "BR"
    assert places.health().ok


async def test_a_table_that_is_broken_inside_is_given_up_when_a_look_up_finds_it(tmp_path: Path) -> None:
    countries = write_mmdb(tmp_path / "countries.mmdb", **{"198.51.100.0/24": BRAZIL})
    flags = write_mmdb(tmp_path / "flags.mmdb", **{"198.51.100.0/24": {"is_anonymous_vpn": True}})
    countries.write_bytes(countries.read_bytes().replace(b"\x48iso_code", b"\xff" * 9))  # no such type
    flags.write_bytes(flags.read_bytes().replace(b"is_anonymous_vpn", b"\xff" * 16))  # no such text
    places, networks = Places(countries), Networks(tor=None, vpn=None, hosting=None, anonymous=flags)
    for table in (places.file, networks.anonymous):
        await table.look()
        assert table.health().ok
    assert (places.of(HOME), networks.of(HOME)) == (NOWHERE, frozenset())
    assert not any(table.health().ok for table in (places.file, networks.anonymous))
    write_mmdb(countries, **{"198.51.100.0/24": PORTUGAL})
    await places.file.look()
    assert (places.of(HOME).country, places.health().ok) == ("PT", True)


@pytest.mark.parametrize(
    ("record", "place"),
    [
        ({"country": "BR"}, Place("BR", "")),
        ({"country": "Brazil", "country_code": "BR"}, Place("BR", "")),
        ({"registered_country": {"iso_code": "BR"}}, Place("BR", "")),
        ({"country": {"names": {"en": "Brazil"}}, "location": ["-23.55", "-46.63"]}, NOWHERE),
        ({"country": {"iso_code": 76}, "location": {"latitude": float("nan"), "longitude": 0.5}}, NOWHERE),
        ({"country": ["BR"], "location": {"latitude": 91.0, "longitude": 0.5}}, NOWHERE),
        ({"location": {"latitude": 1.5, "longitude": 2.5, "accuracy_radius": "far"}}, Place("", "+01+002")),
    ],
)
async def test_tables_of_other_makers_are_read_as_far_as_they_can_be(
    tmp_path: Path, record: dict[str, object], place: Place
) -> None:
    places = Places(write_mmdb(tmp_path / "c.mmdb", **{"198.51.100.0/24": record}))
    await places.file.look()
    assert places.of(HOME) == place


async def test_without_a_table_nothing_is_known_and_nothing_is_missed() -> None:
    places = Places(None)
    await places.file.look()
    assert places.of(HOME) == NOWHERE
    assert places.health().ok


async def test_lists_name_networks(tmp_path: Path) -> None:
    tor, hosting = tmp_path / "tor", tmp_path / "hosting"
    tor.write_text("# exits\n198.51.100.7\n2001:db8:1::/48 # a block\n")
    hosting.write_text("198.51.0.0/16\n")
    networks = Networks(tor=tor, vpn=None, hosting=hosting, anonymous=None)
    for file in (*networks.lists.values(), networks.anonymous):
        await file.look()
    assert networks.of(HOME) == {Network.TOR, Network.HOSTING}
    assert networks.of("::ffff:198.51.100.7") == {Network.TOR, Network.HOSTING}
    assert networks.of("198.51.100.8") == {Network.HOSTING}
    assert networks.of("2001:db8:1:2::3") == {Network.TOR}
    assert networks.of(ELSEWHERE) == networks.of("no address") == frozenset()
    tor.write_text("not a network\n")
    os.utime(tor, (1, 1))
    await networks.lists[Network.TOR].look()
    assert networks.of(HOME) == {Network.HOSTING}
    assert {part.health().name for part in networks.parts if not part.health().ok} == {"tor networks"}


async def test_the_table_of_anonymous_networks_names_them_too(tmp_path: Path) -> None:
    file = write_mmdb(
        tmp_path / "anonymous.mmdb",
        **{
            "198.51.100.0/24": {"is_anonymous": True, "is_anonymous_vpn": True},
            "203.0.113.0/24": {"is_hosting_provider": True},
        },
    )
    networks = Networks(tor=None, vpn=None, hosting=None, anonymous=file)
    await networks.anonymous.look()
    assert (networks.of(HOME), networks.of(LISBON)) == ({Network.VPN}, {Network.HOSTING})


def test_a_list_with_a_line_that_is_no_network_names_the_line() -> None:
    with pytest.raises(ValueError, match="line 2"):
        read_list(b"198.51.100.7\nexample.com\n")
    assert ipaddress.ip_address("10.1.2.3") in read_list(b"10.0.0.0/8")


@pytest.mark.parametrize(
    ("latitude", "longitude", "cell"),
    [(-23.55, -46.63, "-24-047"), (38.72, -9.14, "+38-010"), (0.0, 0.0, "+00+000"), (-0.5, 179.9, "-01+179")],
)
def test_a_cell_is_a_degree_by_its_south_west_corner(latitude: float, longitude: float, cell: str) -> None:
    assert cell_of(latitude, longitude) == cell


def test_distances_are_those_of_the_globe() -> None:
    assert distance_km("+00+000", "+00+090") == pytest.approx(10_007, rel=0.01)  # a quarter of the equator
    assert distance_km("+89+000", "+89+179") == pytest.approx(111, rel=0.01)  # across the pole
    assert distance_km("-24-047", "-24-047") == 0
