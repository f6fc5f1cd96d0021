"""Admin's tables. Only this service touches them."""

from sqlalchemy import Boolean, Column, DateTime, MetaData, Table, Text, Uuid, text

metadata = MetaData(schema="admin")

users = Table(
    "users",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    # Stored in lower case, so that one address is one person.
    Column("email", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False),
    Column("tenant_id", Uuid),
    # Argon2id in PHC string format (RFC 9106).
    Column("password_hash", Text, nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
