"""Countries and networks as a running server uses them, and loses them: a scan never depends on a file."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.scan.app import open_app
from services.scan.settings import Settings
from tests.rpc.scan.clients import Consumer
from tests.rpc.scan.registry import Registry
from tests.unit.scan.test_places_and_networks import BRAZIL, HOME, LISBON, PORTUGAL, write_mmdb
from voketag.scan.v1 import scan_pb2

EXIT = "192.0.2.66"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with every table and list but that of hosting centres, which is missing."""
    lisbon = PORTUGAL | {"location": {"latitude": 38.72, "longitude": -9.14}}
    write_mmdb(
        tmp_path / "countries.mmdb",
        **{"198.51.100.0/24": BRAZIL, "203.0.113.0/24": lisbon, "192.0.2.0/24": lisbon},
    )
    write_mmdb(tmp_path / "anonymous.mmdb", **{"192.0.2.7/32": {"is_anonymous_vpn": True}})
    (tmp_path / "tor").write_text(f"{EXIT}\n192.0.2.128/25\n")
    (tmp_path / "vpn").write_text("# none yet\n")
    return tmp_path


@pytest.fixture
async def consumer(scan_settings: Settings, files: Path) -> AsyncIterator[Consumer]:
    told = {
        "countries_file": files / "countries.mmdb",
        "anonymous_file": files / "anonymous.mmdb",
        "tor_list": files / "tor",
        "vpn_list": files / "vpn",
        "hosting_list": files / "hosting",
    }
    async with open_app(scan_settings.model_copy(update=told)) as server:
        yield Consumer(f"127.0.0.1:{server.port}")


def factors(answer: scan_pb2.ScanResponse) -> set[str]:
    return {each.factor for each in answer.risk_factors}


async def unwell(consumer: Consumer) -> set[str]:
    return {part.name for part in (await consumer.health()).parts if not part.ok}


async def until_unwell(consumer: Consumer, parts: set[str]) -> None:
    async with asyncio.timeout(10):
        while await unwell(consumer) != parts:  # noqa: ASYNC110 - asks a server
            await asyncio.sleep(0.1)


async def test_a_scan_knows_its_country_its_network_and_how_far_the_last_one_was(
    consumer: Consumer, registry: Registry
) -> None:
    code = (await registry.issue()).codes[0]
    await registry.sql("UPDATE factory.products SET markets = '{BR}'")
    home = await consumer.using(address=HOME).scan(code)
    assert (home.country, factors(home)) == ("BR", set())
    away = await consumer.using(address=LISBON).scan(code)
    assert (away.country, factors(away)) == ("PT", {"country_mismatch", "impossible_travel"})
    assert (away.history.unique_countries, away.verdict) == (2, scan_pb2.VERDICT_WARNING)
    hidden = await consumer.using(address=EXIT).scan(code)
    assert (hidden.country, "tor_or_vpn" in factors(hidden)) == ("", True)
    assert "tor_or_vpn" in factors(await consumer.using(address="192.0.2.7").scan(code))
    [row] = await registry.sql("SELECT country, cell FROM scan.scan_events WHERE country = 'PT'")
    assert tuple(row) == ("PT", "+38-010")


@pytest.mark.parametrize(("exit_address", "factor"), [(EXIT, "tor_or_vpn"), ("192.0.2.99", "hosting_network")])
async def test_an_owner_behind_a_network_that_hides_is_told_of_it_and_of_no_travel(
    consumer: Consumer, registry: Registry, files: Path, exit_address: str, factor: str
) -> None:
    (files / "hosting").write_text(f"{EXIT}\n192.0.2.99\n")
    await until_unwell(consumer, set())
    code = (await registry.issue()).codes[0]
    await registry.sql("UPDATE factory.products SET markets = '{BR}'")
    told = [await consumer.using(address=address).scan(code) for address in (HOME, exit_address, HOME)]
    assert [(each.country, factors(each)) for each in told] == [("BR", set()), ("", {factor}), ("BR", set())]
    assert {each.verdict for each in told} == {scan_pb2.VERDICT_AUTHENTIC}


async def test_an_owner_who_leaves_by_another_exit_each_time_is_no_crowd(
    consumer: Consumer, registry: Registry
) -> None:
    code = (await registry.issue()).codes[0]
    told = [await consumer.using(address=f"192.0.2.{number}").scan(code) for number in range(128, 133)]
    assert (factors(told[-1]), told[-1].history.unique_devices) == ({"tor_or_vpn"}, 1)
    other = await consumer.using(address="192.0.2.133", user_agent="Another phone").scan(code)
    assert other.history.unique_devices == 2


async def test_a_file_that_breaks_takes_its_factor_away_says_so_and_comes_back(
    consumer: Consumer, registry: Registry, files: Path
) -> None:
    code = (await registry.issue()).codes[0]
    assert await unwell(consumer) == {"hosting networks"}, "missing from the start, and the server runs"
    tables = (files / "countries.mmdb").read_bytes()
    (files / "countries.mmdb").write_bytes(b"half of a download")
    (files / "tor").unlink()
    (files / "vpn").write_text("not an address\n")
    await until_unwell(consumer, {"countries", "tor networks", "vpn networks", "hosting networks"})
    for address in (HOME, EXIT):
        answer = await consumer.using(address=address).scan(code)
        assert (answer.country, factors(answer), answer.degraded) == ("", set(), False)
    (files / "new").write_bytes(tables)
    (files / "new").replace(files / "countries.mmdb")
    (files / "tor").write_text(f"{EXIT}\n")
    (files / "hosting").write_text("192.0.2.99/32\n")
    await until_unwell(consumer, {"vpn networks"})
    assert (await consumer.using(address=HOME).scan(code)).country == "BR"
    assert "hosting_network" in factors(await consumer.using(address="192.0.2.99").scan(code))
    assert "tor_or_vpn" in factors(await consumer.using(address=EXIT).scan(code))
