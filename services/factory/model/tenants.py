"""Tenants: the companies whose data this is."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.common.errors import InvalidArgument

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PORT = "[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_SEGMENT = r"/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]+"
_BASE_URL = re.compile(rf"https?://{_LABEL}(?:\.{_LABEL})*(?::(?:{_PORT}))?(?:{_SEGMENT})*/?")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A company. Codes are printed as `<verification_base_url>/r/<code>`; the base has no slash at its end."""

    tenant_id: UUID
    name: str
    verification_base_url: str
    created_at: datetime


def normal_base_url(url: str) -> str:
    """Return a verification base URL as it is stored; InvalidArgument unless it is http(s)://host[:port][/path].

    It is printed, drawn and put into CSV as it is, so it has only characters that need no escape anywhere.
    """
    if not _BASE_URL.fullmatch(url):
        raise InvalidArgument.of("verification_base_url", "give a URL such as https://verify.example.com")
    return url.rstrip("/")
