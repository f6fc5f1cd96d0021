"""Who calls: an API key of a partner, a person, another service, or nobody."""

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from services.common.errors import PermissionDenied


class CallerKind(Enum):
    """Kinds of caller; the values are those of `voketag.common.v1.CallerKind`."""

    ANONYMOUS = 0
    API_KEY = 1
    USER = 2
    SERVICE = 3


class Role(Enum):
    """Roles of people, weakest first; the values are those of `voketag.admin.v1.Role`."""

    VIEWER = 1
    FACTORY_MANAGER = 2
    COMPLIANCE = 3
    ADMIN = 4
    SUPER_ADMIN = 5


TENANT_SCOPES = frozenset(
    f"{resource}:{action}"
    for resource in ("products", "batches", "units", "api-keys", "settings", "webhooks", "dead-letters")
    for action in ("read", "write")
) | {"scans:read"}
"""Every scope that an API key can have."""

_READ = frozenset({"products:read", "batches:read", "units:read", "scans:read"})
ROLE_SCOPES: dict[Role, frozenset[str]] = {
    Role.VIEWER: frozenset({"products:read", "batches:read", "scans:read"}),
    Role.FACTORY_MANAGER: _READ | {"products:write", "batches:write", "units:write"},
    Role.COMPLIANCE: _READ | {"api-keys:read", "settings:read", "webhooks:read", "dead-letters:read"},
    Role.ADMIN: TENANT_SCOPES,
    Role.SUPER_ADMIN: TENANT_SCOPES | {"anchors:read", "anchors:write"},
}
"""What each role may do."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. `subject` is an API key's id, a user's UUID or a service's name."""

    kind: CallerKind
    subject: str
    scopes: frozenset[str] = frozenset()
    tenant_id: UUID | None = None

    @property
    def tenant(self) -> UUID:
        """The tenant whose data the caller works on; PermissionDenied for one that has none."""
        if self.tenant_id is None:
            raise PermissionDenied("this caller belongs to no tenant; use a tenant's API key or user")
        return self.tenant_id


ANONYMOUS = Caller(kind=CallerKind.ANONYMOUS, subject="")
