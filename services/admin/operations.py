"""What Admin does."""

import asyncio
from datetime import timedelta
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.admin import storage
from services.admin.model import SignedIn, User, check_password_strength, normal_email
from services.common.caller import Role
from services.common.clock import Clock
from services.common.database import Database
from services.common.errors import WrongCredentials
from services.common.ids import uuid7
from services.common.tokens import TokenSigner

_hasher = PasswordHasher()
# Verified when the address is unknown, so that the time tells nobody which addresses exist.
_NOBODYS_HASH = _hasher.hash("nobody has this password")


class Login:
    """Signs people in."""

    def __init__(self, *, database: Database, signer: TokenSigner, lifetime: timedelta) -> None:
        self._database = database
        self._signer = signer
        self._lifetime = lifetime

    async def login(self, *, email: str, password: str) -> SignedIn:
        """Return a token for the right password of an active person; WrongCredentials for anything else."""
        async with self._database.reading() as tx:
            user = await storage.user_by_email(tx, normal_email(email))
        # Argon2 takes tens of milliseconds and releases the GIL: a thread keeps the event loop free.
        right = await asyncio.to_thread(_verify, user.password_hash if user else _NOBODYS_HASH, password)
        if user is None or not right or not user.active:
            raise WrongCredentials
        if _hasher.check_needs_rehash(user.password_hash):
            await self._rehash(user, password)
        token = self._signer.access_token(
            user_id=user.user_id, tenant_id=user.tenant_id, role=user.role, lifetime=self._lifetime
        )
        return SignedIn(user=user, access_token=token, expires_in_seconds=int(self._lifetime.total_seconds()))

    async def _rehash(self, user: User, password: str) -> None:
        stronger = await asyncio.to_thread(_hasher.hash, password)
        async with self._database.transaction() as tx:
            await storage.set_password_hash(tx, user, stronger)


async def create_user(
    *, database: Database, clock: Clock, email: str, password: str, role: Role, tenant_id: UUID | None
) -> User:
    """Add a person."""
    check_password_strength(password)
    user = User(
        user_id=uuid7(),
        email=normal_email(email),
        role=role,
        tenant_id=tenant_id,
        password_hash=await asyncio.to_thread(_hasher.hash, password),
        active=True,
        created_at=clock.now(),
    )
    async with database.transaction() as tx:
        await storage.insert_user(tx, user)
    return user


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
