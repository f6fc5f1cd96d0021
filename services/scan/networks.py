"""What kind of network an address belongs to: an exit of Tor, a VPN or proxy, a hosting centre.

Sources: plain lists of addresses and CIDR blocks, one a line, `#` begins a comment; and the Anonymous-IP MMDB. People
scan from homes and phones; a scan that hides where it comes from is no proof of anything, and worth a look.
"""

import ipaddress
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import maxminddb

from services.scan.places import open_mmdb, record_of
from services.scan.watched_files import Part, WatchedFile

_MOST_KEPT = 20_000
_NONE: frozenset["Network"] = frozenset()
_FLAGS = {
    "is_tor_exit_node": "TOR",
    "is_anonymous_vpn": "VPN",
    "is_public_proxy": "VPN",
    "is_residential_proxy": "VPN",
    "is_hosting_provider": "HOSTING",
}


class Network(Enum):
    """Kinds of networks that people do not scan from."""

    TOR = "tor"
    VPN = "vpn"
    HOSTING = "hosting"


class Blocks:
    """Addresses and CIDR blocks, looked up by length of prefix: one step for each length that occurs."""

    def __init__(self, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> None:
        self._by_length: dict[tuple[int, int], set[int]] = {}
        for network in networks:
            shift = network.max_prefixlen - network.prefixlen
            blocks = self._by_length.setdefault((network.version, shift), set())
            blocks.add(int(network.network_address) >> shift)

    def __contains__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Whether an address is in one of the blocks."""
        number, version = int(address), address.version
        return any(number >> shift in blocks for (of, shift), blocks in self._by_length.items() if of == version)


class Networks:
    """Names networks, and remembers the last ones."""

    def __init__(self, *, tor: Path | None, vpn: Path | None, hosting: Path | None, anonymous: Path | None) -> None:
        """Each is a plain list, but for `anonymous`, an MMDB file."""
        self.lists: dict[Network, WatchedFile[Blocks]] = {
            kind: WatchedFile(name=f"{kind.value} networks", path=path, load=read_list)
            for kind, path in ((Network.TOR, tor), (Network.VPN, vpn), (Network.HOSTING, hosting))
        }
        self.anonymous: WatchedFile[maxminddb.Reader] = WatchedFile(
            name="anonymous networks", path=anonymous, load=open_mmdb
        )
        self._kept: dict[str, frozenset[Network]] = {}
        self._version = 0

    def of(self, address: str) -> frozenset[Network]:
        """Return the kinds of an address's network, mostly none."""
        version = self.anonymous.version + sum(each.version for each in self.lists.values())
        if not version:
            return _NONE  # nothing was ever loaded
        if self._version != version or len(self._kept) >= _MOST_KEPT:
            self._kept, self._version = {}, version
        kinds = self._kept.get(address)
        if kinds is None:
            kinds = self._kept[address] = self._look_up(address)
        return kinds

    @property
    def parts(self) -> list[Part]:
        """The files, each for itself."""
        return [*self.lists.values(), self.anonymous]

    def _look_up(self, text: str) -> frozenset[Network]:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return frozenset()
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        kinds = {kind for kind, each in self.lists.items() if each.value is not None and address in each.value}
        record = record_of(self.anonymous, str(address))
        return frozenset(kinds | {Network[kind] for flag, kind in _FLAGS.items() if record.get(flag)})


def read_list(data: bytes) -> Blocks:
    """Return the blocks of a plain list; ValueError names the first line that is neither address nor block."""
    networks = []
    for number, line in enumerate(data.decode().splitlines(), 1):
        if text := line.partition("#")[0].strip():
            try:
                networks.append(ipaddress.ip_network(text, strict=False))
            except ValueError as error:
                raise ValueError(f"line {number}: {text!r} is neither an address nor a CIDR block") from error
    return Blocks(networks)
