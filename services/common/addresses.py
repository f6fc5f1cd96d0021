"""Client addresses: what stands for one where callers are counted or recognised."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=10_000)
def network_of(address: str) -> str:
    """Return what stands for an address: an IPv4 address itself, the /64 of an IPv6 one; other text as it is.

    One IPv6 customer has a whole /64 and changes addresses within it all day (RFC 8981).
    """
    try:
        parsed = ipaddress.ip_address(address.strip().partition("%")[0])
    except ValueError:
        return address.strip()
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, 64), strict=False))
