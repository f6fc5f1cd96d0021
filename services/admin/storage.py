"""All of Admin's SQL."""

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from services.admin.model import User
from services.admin.tables import users
from services.common.caller import Role
from services.common.database import Transaction
from services.common.errors import InvalidArgument


async def insert_user(tx: Transaction, user: User) -> None:
    """Add a person; InvalidArgument when the address is taken."""
    row = {
        "user_id": user.user_id,
        "email": user.email,
        "role": user.role.name,
        "tenant_id": user.tenant_id,
        "password_hash": user.password_hash,
        "active": user.active,
        "created_at": user.created_at,
    }
    try:
        await tx.connection.execute(insert(users).values(row))
    except IntegrityError as error:
        raise InvalidArgument.of("email", "a user with this address exists") from error


async def user_by_email(tx: Transaction, email: str) -> User | None:
    """Return the person with this address."""
    if "\0" in email:  # PostgreSQL has no such text, and would refuse the question
        return None
    row = (await tx.connection.execute(select(users).where(users.c.email == email))).one_or_none()
    if row is None:
        return None
    return User(
        user_id=row.user_id,
        email=row.email,
        role=Role[row.role],
        tenant_id=row.tenant_id,
        password_hash=row.password_hash,
        active=row.active,
        created_at=row.created_at,
    )


async def set_password_hash(tx: Transaction, user: User, password_hash: str) -> None:
    """Replace the stored hash."""
    await tx.connection.execute(
        update(users).where(users.c.user_id == user.user_id).values(password_hash=password_hash)
    )
