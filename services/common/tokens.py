"""Signed tokens: access tokens of people and short-lived tokens between services (JWT, RFC 7519; EdDSA, RFC 8037).

A key is an Ed25519 PEM file whose stem is its `kid`; the stem says what the key may sign: `user-<n>` access
tokens, `service-<name>-<n>` that service's own tokens. A verifier believes the public keys in one folder, so
keys rotate by adding a file. mTLS between services can come on top; the token is what names the caller either
way.
"""

import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.common.caller import ROLE_SCOPES, Caller, CallerKind, Role
from services.common.clock import Clock
from services.common.errors import Unauthenticated
from services.common.ids import uuid7

ISSUER = "voketag"
USER_AUDIENCE = "voketag"
_ALGORITHM = "EdDSA"
_SERVICE_TOKEN_SECONDS = 300
_LEEWAY_SECONDS = 30  # clocks of two machines differ
_MOST_BELIEVED = 1000
_NOBODY: tuple[float, Caller | None] = (0.0, None)


class TokenSigner:
    """Signs with one private key."""

    def __init__(self, *, key_file: Path, clock: Clock) -> None:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{key_file} must hold an Ed25519 private key in PKCS#8 PEM")
        self._key = key
        self._kid = key_file.stem
        self._clock = clock

    def access_token(self, *, user_id: UUID, tenant_id: UUID | None, role: Role, lifetime: timedelta) -> str:
        """Return an access token of a person."""
        claims = {"sub": str(user_id), "typ": "user", "aud": USER_AUDIENCE, "role": role.name}
        if tenant_id is not None:
            claims["tenant"] = str(tenant_id)
        return self._sign(claims, lifetime.total_seconds())

    def service_token(self, *, audience: str) -> str:
        """Return a token that names this service to the service `audience`, valid for five minutes."""
        name = _service_name(self._kid)
        return self._sign({"sub": name, "typ": "service", "aud": audience}, _SERVICE_TOKEN_SECONDS)

    def _sign(self, claims: dict[str, str], seconds: float) -> str:
        now = int(self._clock.now().timestamp())
        stamped = {**claims, "iss": ISSUER, "iat": now, "exp": now + int(seconds), "jti": str(uuid7())}
        return jwt.encode(stamped, self._key, algorithm=_ALGORITHM, headers={"kid": self._kid})


class TokenVerifier:
    """Believes tokens signed with the keys of one folder, for one service."""

    def __init__(self, *, public_keys: Path, service: str) -> None:
        self._keys = {file.stem: _public_key(file) for file in sorted(public_keys.glob("*.pem"))}
        if not self._keys:
            raise ValueError(f"{public_keys} must hold at least one <kid>.pem public key")
        self._service = service
        self._believed: dict[str, tuple[float, Caller]] = {}

    def verify(self, token: str) -> Caller:
        """Return the caller that a token names; Unauthenticated for anything that does not hold.

        A service sends one token for minutes, and nothing takes it back before it expires, so the same text is believed
        until then without another look at its signature.
        """
        good_until, caller = self._believed.get(token, _NOBODY)
        if caller is not None and time.time() < good_until:
            return caller
        return self._verify(token)

    def _verify(self, token: str) -> Caller:
        try:
            kid = jwt.get_unverified_header(token).get("kid", "")
            key = self._keys.get(kid)
            if key is None:
                raise Unauthenticated("the token's key is not known here; sign in again")
            audience = self._service if kid.startswith("service-") else USER_AUDIENCE
            claims = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                audience=audience,
                issuer=ISSUER,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "jti"]},
            )
            if not kid.startswith("service-"):
                return _user(kid, claims)
            caller = _service(kid, claims)
            self._believe(token, float(claims["exp"]), caller)
            return caller
        except (jwt.PyJWTError, KeyError, ValueError) as error:
            raise Unauthenticated("the token is not valid or has expired; sign in again") from error

    def _believe(self, token: str, expires_at: float, caller: Caller) -> None:
        self._believed[token] = (expires_at + _LEEWAY_SECONDS, caller)
        while len(self._believed) > _MOST_BELIEVED:
            del self._believed[next(iter(self._believed))]


class ServiceTokens:
    """Keeps one fresh token per audience, so that a call between services costs no signature."""

    def __init__(self, signer: TokenSigner) -> None:
        self._signer = signer
        self._tokens: dict[str, tuple[float, str]] = {}

    def token(self, audience: str) -> str:
        """Return a token with more than half of its life left."""
        renew_at, token = self._tokens.get(audience, (0.0, ""))
        if time.monotonic() >= renew_at:
            token = self._signer.service_token(audience=audience)
            self._tokens[audience] = (time.monotonic() + _SERVICE_TOKEN_SECONDS / 2, token)
        return token


def _service(kid: str, claims: dict[str, str]) -> Caller:
    if claims["typ"] != "service" or claims["sub"] != _service_name(kid):
        raise ValueError("a service's key signs only that service's tokens")
    return Caller(kind=CallerKind.SERVICE, subject=claims["sub"])


def _user(kid: str, claims: dict[str, str]) -> Caller:
    if not kid.startswith("user-") or claims["typ"] != "user":
        raise ValueError("only a user key signs access tokens")
    tenant = claims.get("tenant")
    return Caller(
        kind=CallerKind.USER,
        subject=str(UUID(claims["sub"])),
        scopes=ROLE_SCOPES[Role[claims["role"]]],
        tenant_id=UUID(tenant) if tenant else None,
    )


def _service_name(kid: str) -> str:
    prefix, name, _number = kid.split("-")
    if prefix != "service":
        raise ValueError(f"{kid}: a service's key is named service-<name>-<n>")
    return name


def _public_key(file: Path) -> Ed25519PublicKey:
    key = serialization.load_pem_public_key(file.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{file} must hold an Ed25519 public key in PEM")
    return key
