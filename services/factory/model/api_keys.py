"""API keys: who holds one, for how long, and what it may do. Their form is that of `common/credentials.py`."""

import hmac
import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from uuid import UUID

from services.common.caller import TENANT_SCOPES
from services.common.credentials import KEY_ID, Credential, hash_secret
from services.common.errors import InvalidArgument, PermissionDenied

_KEY_ID_LENGTH = 16
_KEY_ID_ALPHABET = string.ascii_lowercase + string.digits

Network = IPv4Network | IPv6Network
"""A block of addresses; a single address is a block of one."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key of a tenant. It holds until it expires or is revoked, whichever comes first."""

    key_id: str
    tenant_id: UUID
    name: str
    secret_hash: bytes
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    allowed_sources: tuple[Network, ...] = ()
    successor_id: str | None = None

    def holds(self, now: datetime) -> bool:
        """Say whether the key may be used."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def has_secret(self, secret: str) -> bool:
        """Say whether this is the key's secret, in a time that tells nothing about it."""
        return hmac.compare_digest(hash_secret(secret), self.secret_hash)

    def works_from(self, address: str) -> bool:
        """Say whether the key may be used from an address; a key without allowed sources may from everywhere."""
        if not self.allowed_sources:
            return True
        try:
            found = ip_address(address)
        except ValueError:
            return False
        if found.version == 6 and found.ipv4_mapped is not None:
            found = found.ipv4_mapped  # a listener on both families sees IPv4 clients so
        return any(found in network for network in self.allowed_sources)


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was just made, with the credential that is shown this once."""

    api_key: ApiKey
    credential: str


def make_credential() -> Credential:
    """Return a new credential: an id of 82 random bits and a secret of 256."""
    key_id = "".join(secrets.choice(_KEY_ID_ALPHABET) for _ in range(_KEY_ID_LENGTH))
    return Credential(key_id=key_id, secret=secrets.token_urlsafe(32))


def is_key_id(text: str) -> bool:
    """Say whether a text has the form of a key id."""
    return re.fullmatch(KEY_ID, text) is not None


def parse_sources(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return addresses and CIDR blocks in a fixed order, each once; InvalidArgument for what is neither."""
    found = set()
    for text in texts:
        try:
            found.add(_unmapped(ip_network(text)))
        except ValueError as error:
            raise InvalidArgument.of(
                "allowed_sources", f"{text}: give addresses or CIDR blocks, such as 203.0.113.0/24 or 2001:db8::7"
            ) from error
    return tuple(
        sorted(found, key=lambda network: (network.version, network.network_address.packed, network.prefixlen))
    )


def _unmapped(network: Network) -> Network:
    """Return the IPv4 block that an IPv4-mapped one of IPv6 stands for: callers are looked up by their IPv4 address."""
    if isinstance(network, IPv4Network) or network.prefixlen < 96 or network.network_address.ipv4_mapped is None:
        return network
    return IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))


def check_scopes(scopes: Iterable[str], granted_by: frozenset[str]) -> frozenset[str]:
    """Return the scopes of a new key; InvalidArgument for an unknown one, PermissionDenied for one the maker lacks."""
    asked = frozenset(scopes)
    if unknown := asked - TENANT_SCOPES:
        known = ", ".join(sorted(TENANT_SCOPES))
        raise InvalidArgument.of("scopes", f"unknown: {', '.join(sorted(unknown))}; known: {known}")
    if lacking := sorted(asked - granted_by):
        raise PermissionDenied(
            f"you cannot grant what you do not have: {', '.join(lacking)}", metadata={"scope": lacking[0]}
        )
    return asked
