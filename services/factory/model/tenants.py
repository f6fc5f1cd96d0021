"""Tenants: the companies whose data this is."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from services.common.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Tenant:
    """A company. Codes are printed as `<verification_base_url>/r/<code>`; the base has no slash at its end."""

    tenant_id: UUID
    name: str
    verification_base_url: str
    created_at: datetime


def normal_base_url(url: str) -> str:
    """Return a verification base URL as it is stored; InvalidArgument unless it is plain http(s)://host[:port][/path]."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise InvalidArgument.of("verification_base_url", "give an URL such as https://verify.example.com")
    return url.rstrip("/")
