"""People and their passwords."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.common.caller import Role
from services.common.errors import InvalidArgument

MIN_PASSWORD_LENGTH = 12


@dataclass(frozen=True, slots=True)
class User:
    """A person. `tenant_id` is None for an operator of the platform who works for no tenant."""

    user_id: UUID
    email: str
    role: Role
    tenant_id: UUID | None
    password_hash: str
    active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The outcome of a login: a bearer token and what it is good for."""

    user: User
    access_token: str
    expires_in_seconds: int


def normal_email(email: str) -> str:
    """Return the address as it is stored and compared: without surrounding space, in lower case."""
    return email.strip().lower()


def check_password_strength(password: str) -> None:
    """Refuse a password that is too short; length is what counts (NIST SP 800-63B, section 5.1.1)."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise InvalidArgument.of("password", f"use at least {MIN_PASSWORD_LENGTH} characters")
