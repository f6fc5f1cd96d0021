"""Protobuf to model and back."""

from services.admin.model import SignedIn
from voketag.admin.v1 import admin_pb2


def signed_in(outcome: SignedIn) -> admin_pb2.LoginResponse:
    """Return the answer to a login."""
    return admin_pb2.LoginResponse(
        access_token=outcome.access_token,
        token_type="Bearer",  # noqa: S106 - RFC 6750's name of the scheme
        expires_in=outcome.expires_in_seconds,
        user_id=str(outcome.user.user_id),
        role=admin_pb2.Role.ValueType(outcome.user.role.value),
    )
