"""Hashes of devices: the same within a day, nothing in common from one day to the next, blind without the key."""

from dataclasses import fields, replace
from datetime import date
from pathlib import Path

import pytest

from services.common.addresses import network_of
from services.scan.fingerprint import Fingerprints
from services.scan.model import Device

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
DEVICE = Device(
    address="198.51.100.7",
    user_agent="Mozilla/5.0",
    languages="pt-BR",
    encodings="gzip, br",
    screen="1170x2532",
    time_zone="America/Sao_Paulo",
)


@pytest.fixture
def prints() -> Fingerprints:
    return Fingerprints(bytes(32))


def test_a_device_is_the_same_all_day_and_another_one_tomorrow(prints: Fingerprints) -> None:
    monday = prints.device(DEVICE, MONDAY)
    assert len(monday) == 16
    assert prints.device(DEVICE, TUESDAY) != monday
    assert prints.device(DEVICE, MONDAY) == monday


def test_every_part_of_a_device_counts(prints: Fingerprints) -> None:
    changed = [replace(DEVICE, **{field.name: "203.0.113.1"}) for field in fields(Device)]
    hashes = {prints.device(device, MONDAY) for device in [DEVICE, *changed]}
    assert len(hashes) == 1 + len(fields(Device))


def test_parts_cannot_be_shifted_into_each_other(prints: Fingerprints) -> None:
    one = replace(DEVICE, languages="a\0b", encodings="c")
    other = replace(DEVICE, languages="a", encodings="b\0c")
    assert prints.device(one, MONDAY) != prints.device(other, MONDAY)


def test_another_secret_makes_other_hashes(prints: Fingerprints) -> None:
    other = Fingerprints(bytes(31) + b"\1")
    assert other.device(DEVICE, MONDAY) != prints.device(DEVICE, MONDAY)
    assert other.address("198.51.100.7", MONDAY) != prints.address("198.51.100.7", MONDAY)


def test_a_header_that_is_not_text_is_hashed_all_the_same(prints: Fingerprints) -> None:
    assert len(prints.device(replace(DEVICE, user_agent="\udcff"), MONDAY)) == 16


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        (" 198.51.100.7 ", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no address", "no address"),
    ],
)
def test_an_ipv6_address_stands_for_its_64(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize("text", ["", "zz" * 32, "00" * 31])
def test_a_bad_key_file_says_what_it_needs(tmp_path: Path, text: str) -> None:
    file = tmp_path / "fingerprint.key"
    file.write_text(text)
    with pytest.raises(ValueError, match="must hold 64 hex digits"):
        Fingerprints.load(file)
